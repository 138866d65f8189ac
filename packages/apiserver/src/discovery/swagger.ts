// The OpenAPI v2 document of all kinds. Swagger 2.0 can say less of a schema than v3: what it has no words for is left open, as
// kube-apiserver does for custom resources.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";
import type { Resource } from "../resource.ts";
import { listMetaName, listMetaSchema, listSchema } from "./list-schema.ts";
import { metaName, schemaName, writeParameterNames } from "./openapi-schemas.ts";
import { versionInfo } from "./version-info.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

const refTo = (name: string) => ({ $ref: `#/definitions/${name}` });

export function swaggerDocument(resources: readonly Resource[]): JsonObject {
  const definitions: Record<string, JsonObject> = {
    [metaName]: toSwagger(metaSchema),
    [listMetaName]: toSwagger(listMetaSchema),
  };
  const paths: Record<string, JsonObject> = {};
  for (const resource of resources) {
    const name = schemaName(resource, resource.kind);
    definitions[name] = objectDefinition(resource);
    definitions[schemaName(resource, resource.listKind)] = listSchema(resource, {
      metadata: refTo(listMetaName),
      item: refTo(name),
    });
    Object.assign(paths, resourcePaths(resource, name));
  }
  return { swagger: "2.0", info: { title: "Vivarium", version: versionInfo.gitVersion }, paths, definitions };
}

function objectDefinition(resource: Resource): JsonObject {
  const { group, version, kind, schema } = resource;
  const { properties = {}, ...plain } = toSwagger(schema);
  return {
    ...plain,
    properties: {
      ...(properties as object),
      metadata: { description: "Standard object's metadata.", ...refTo(metaName) },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind }],
  };
}

function toSwagger(schema: JsonSchema): JsonObject {
  const {
    nullable,
    anyOf: _anyOf,
    oneOf: _oneOf,
    allOf: _allOf,
    not: _not,
    type,
    properties,
    items,
    additionalProperties,
    ...rest
  } = schema;
  const isOpen =
    nullable === true ||
    schema["x-kubernetes-int-or-string"] === true ||
    schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (isOpen) return rest;
  return {
    ...rest,
    ...(type !== undefined && { type }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, toSwagger(child)])),
    }),
    // Readers take no array without items.
    ...(type === "array" && { items: toSwagger(items ?? {}) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === "object" ? toSwagger(additionalProperties) : additionalProperties,
    }),
  };
}

function resourcePaths(resource: Resource, name: string): Record<string, JsonObject> {
  const { group, version, kind, plural, namespaced } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}/${namespaced ? "namespaces/{namespace}/" : ""}${plural}`;
  const operation = (action: string, parameters: readonly JsonObject[] = []) => ({
    operationId: `${action}${schemaName(resource, kind)}`,
    parameters,
    responses: { 200: { description: "OK", schema: refTo(name) } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  });
  const body = { name: "body", in: "body", required: true, schema: refTo(name) };
  const patch = { name: "body", in: "body", required: true, schema: { type: "object" } };
  const scope = namespaced ? [pathParameter("namespace")] : [];
  return {
    [collection]: {
      get: operation("list"),
      post: operation("post", [body, ...writeParameters]),
      delete: operation("deletecollection", writeParameters.slice(0, 1)),
      parameters: scope,
    },
    [`${collection}/{name}`]: {
      get: operation("get"),
      put: operation("put", [body, ...writeParameters]),
      patch: operation("patch", [patch, ...writeParameters, queryParameter("force", "boolean")]),
      delete: operation("delete", writeParameters.slice(0, 1)),
      parameters: [...scope, pathParameter("name")],
    },
  };
}

const writeParameters = writeParameterNames.map((name) => queryParameter(name, "string"));

function queryParameter(name: string, type: string): JsonObject {
  return { name, in: "query", type, uniqueItems: true };
}

function pathParameter(name: string): JsonObject {
  return { name, in: "path", required: true, type: "string", uniqueItems: true };
}
