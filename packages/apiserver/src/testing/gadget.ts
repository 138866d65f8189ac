// A definition as a user writes one, for tests that make kinds at run time.

import type { Answer, TestServer } from "./test-server.ts";

export const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
export const gadgetsPath = "/apis/example.dev/v1/namespaces/default/gadgets";

/** `spec` is laid over the usual one, `schema` over that of the objects' spec. */
export function gadgetDefinition({
  spec = {},
  schema = { properties: { size: { type: "integer" } } },
  version = {},
}: {
  readonly spec?: object;
  readonly schema?: object;
  readonly version?: object;
} = {}): Record<string, unknown> {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "gadgets.example.dev" },
    spec: {
      group: "example.dev",
      scope: "Namespaced",
      names: { kind: "Gadget", plural: "gadgets", shortNames: ["gd"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: { type: "object", ...schema },
                status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
          },
          ...version,
        },
      ],
      ...spec,
    },
  };
}

export function gadget(name: string, spec: object = { size: 1 }): Record<string, unknown> {
  return { apiVersion: "example.dev/v1", kind: "Gadget", metadata: { name }, spec };
}

/** Makes the kind; it is served when this resolves. */
export function define(server: TestServer, ...options: Parameters<typeof gadgetDefinition>): Promise<Answer> {
  return server.call("POST", definitionsPath, { body: gadgetDefinition(...options) });
}
