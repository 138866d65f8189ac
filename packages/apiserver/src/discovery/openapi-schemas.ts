// OpenAPI v3 documents of one group and version: kubectl explains fields from them, and finds there whether the server validates.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";
import { patchMediaTypes } from "../patch/patch-media-types.ts";
import type { Resource } from "../resource.ts";
import { listMetaName, listMetaSchema, listSchema } from "./list-schema.ts";

export const metaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const refTo = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** Query parameters of every write; the first is all that a deletion takes. */
export const writeParameterNames = ["dryRun", "fieldManager", "fieldValidation"] as const;

export function openapiDocument(resources: readonly Resource[]): object {
  const schemas: Record<string, object> = {
    [metaName]: metaSchema,
    [listMetaName]: listMetaSchema,
  };
  const paths: Record<string, object> = {};
  for (const resource of resources) {
    const name = schemaName(resource, resource.kind);
    schemas[name] = objectSchema(resource);
    schemas[schemaName(resource, resource.listKind)] = listSchema(resource, {
      metadata: { allOf: [refTo(listMetaName)] },
      item: refTo(name),
    });
    Object.assign(paths, resourcePaths(resource, name));
  }
  return { openapi: "3.0.0", info: { title: "Vivarium", version: "v1" }, paths, components: { schemas } };
}

/** `io.virtrigaud.infra.v1beta1.VirtualMachine`. */
export function schemaName({ group, version }: Resource, kind: string): string {
  const prefix = group === "" ? "io.k8s.api.core" : group.split(".").toReversed().join(".");
  return `${prefix}.${version}.${kind}`;
}

function objectSchema(resource: Resource): object {
  const { group, version, kind, schema } = resource;
  const plain = toOpenapi(schema);
  return {
    ...plain,
    properties: {
      ...(plain["properties"] as object | undefined),
      metadata: {
        description: "Standard object's metadata.",
        default: {},
        allOf: [refTo(metaName)],
      },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind }],
  };
}

/** OpenAPI knows neither null types nor int-or-string. */
function toOpenapi(schema: JsonSchema): Record<string, unknown> {
  const out: Record<string, unknown> = { ...schema };
  if (schema.properties !== undefined)
    out["properties"] = Object.fromEntries(
      Object.entries(schema.properties).map(([name, child]) => [name, toOpenapi(child)]),
    );
  if (schema.items !== undefined) out["items"] = toOpenapi(schema.items);
  if (typeof schema.additionalProperties === "object")
    out["additionalProperties"] = toOpenapi(schema.additionalProperties);
  if (schema["x-kubernetes-int-or-string"] === true) {
    delete out["anyOf"];
    out["oneOf"] = [{ type: "integer" }, { type: "string" }];
    delete out["type"];
    out["format"] = "int-or-string";
  }
  return out;
}

function resourcePaths(resource: Resource, name: string): Record<string, object> {
  const { group, version, kind, plural, namespaced } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}/${namespaced ? "namespaces/{namespace}/" : ""}${plural}`;
  const content = { "application/json": { schema: refTo(name) } };
  const operation = (action: string, id: string, extra: object = {}) => ({
    operationId: `${id}${group === "" ? "Core" : ""}${version}${kind}`,
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
    responses: { 200: { description: "OK", content } },
    ...extra,
  });
  const writes = { parameters: writeParameters };
  const body = { requestBody: { content } };
  const patchBody = {
    requestBody: {
      content: Object.fromEntries(
        patchMediaTypes(resource.strategy).map((type) => [type, { schema: { type: "object" } }]),
      ),
    },
  };
  const pathParameters = namespaced ? [pathParameter("namespace")] : [];
  return {
    [collection]: {
      parameters: pathParameters,
      get: operation("list", "list"),
      post: operation("post", "create", { ...writes, ...body }),
      delete: operation("deletecollection", "deleteCollection"),
    },
    [`${collection}/{name}`]: {
      parameters: [...pathParameters, pathParameter("name")],
      get: operation("get", "read"),
      put: operation("put", "replace", { ...writes, ...body }),
      patch: operation("patch", "patch", {
        parameters: [...writeParameters, queryParameter("force", "boolean")],
        ...patchBody,
      }),
      delete: operation("delete", "delete", { parameters: writeParameters.slice(0, 1) }),
    },
  };
}

const writeParameters = writeParameterNames.map((name) => queryParameter(name, "string"));

function queryParameter(name: string, type: string): object {
  return { name, in: "query", schema: { type, uniqueItems: true } };
}

function pathParameter(name: string): object {
  return { name, in: "path", required: true, schema: { type: "string", uniqueItems: true } };
}
