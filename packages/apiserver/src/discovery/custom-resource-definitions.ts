// The kinds themselves, read-only, where Kubernetes has them: tools look here to learn whether a kind is installed.

import { StatusError } from "@vivarium/api";
import { negotiate } from "../output/negotiate.ts";
import { respondJson } from "../output/respond.ts";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";
import type { Route } from "../router.ts";
import type { ServerState } from "../server-state.ts";
import { verbsOf } from "./resource-verbs.ts";

export const definitionsResource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
} as const;

const root = `/apis/${definitionsResource.group}`;
const apiVersion = `${definitionsResource.group}/${definitionsResource.version}`;

export function customResourceDefinitionRoutes(state: ServerState): [string, Route][] {
  // Core kinds have definitions only inside this server.
  const items = state.registry.definitions
    .filter((definition) => definition.spec.group !== "")
    .map((definition) => present(definition, state.now()));
  const collection = `${root}/v1/${definitionsResource.plural}`;
  const group = {
    name: definitionsResource.group,
    versions: [{ groupVersion: apiVersion, version: "v1" }],
    preferredVersion: { groupVersion: apiVersion, version: "v1" },
  };
  return [
    [root, () => respondJson(200, { kind: "APIGroup", apiVersion: "v1", ...group })],
    [`${root}/v1`, () => respondJson(200, resourceList)],
    [
      collection,
      (context) => {
        if (context.request.query.get("watch") === "true")
          throw new StatusError(
            "MethodNotAllowed",
            "custom resource definitions cannot be watched: they are fixed at start",
          );
        const name = /^metadata\.name=(.+)$/.exec(context.request.query.get("fieldSelector") ?? "")?.[1];
        return respond(
          context,
          items.filter((item) => name === undefined || item.metadata.name === name),
        );
      },
    ],
    ...items.map((item): [string, Route] => [
      `${collection}/${item.metadata.name}`,
      (context) => respond(context, item),
    ]),
  ];
}

type Presented = ReturnType<typeof present>;

const resourceList = {
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion: apiVersion,
  resources: [
    {
      name: definitionsResource.plural,
      singularName: "customresourcedefinition",
      namespaced: false,
      kind: definitionsResource.kind,
      shortNames: ["crd", "crds"],
      verbs: verbsOf.readOnly,
    },
  ],
};

function present(definition: CustomResourceDefinition, since: Date) {
  const lastTransitionTime = since.toISOString().replace(/\.\d+Z$/, "Z");
  const { names, versions } = definition.spec;
  return {
    apiVersion,
    kind: definitionsResource.kind,
    metadata: { ...definition.metadata, resourceVersion: "1", creationTimestamp: lastTransitionTime },
    spec: definition.spec,
    status: {
      acceptedNames: names,
      storedVersions: versions.filter((version) => version.storage).map((version) => version.name),
      conditions: ["NamesAccepted", "Established"].map((type) => ({
        type,
        status: "True",
        reason: type === "Established" ? "InitialNamesAccepted" : "NoConflicts",
        message: type === "Established" ? "the initial names have been accepted" : "no conflicts found",
        lastTransitionTime,
      })),
    },
  };
}

function respond({ request }: Parameters<Route>[0], found: Presented | readonly Presented[]) {
  const form = negotiate(request.headers["accept"], ["table"]);
  const items = Array.isArray(found) ? (found as readonly Presented[]) : [found as Presented];
  if (form.kind === "table") return respondJson(200, toTable(items));
  if (!Array.isArray(found)) return respondJson(200, found);
  return respondJson(200, {
    kind: `${definitionsResource.kind}List`,
    apiVersion,
    metadata: { resourceVersion: "1" },
    items,
  });
}

function toTable(items: readonly Presented[]): object {
  const column = (name: string, format = "") => ({ name, type: "string", format, description: "", priority: 0 });
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion: "1" },
    columnDefinitions: [column("Name", "name"), column("Created At", "date")],
    rows: items.map((item) => ({
      cells: [item.metadata.name, item.metadata.creationTimestamp],
      object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: item.metadata },
    })),
  };
}
