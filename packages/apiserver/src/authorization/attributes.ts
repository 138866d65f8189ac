// What a request asks for, in the words that rules are written in: a verb on a resource, or on a path that is none
// (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#review-your-request-attributes).

import type { ApiRequest } from "@vivarium/api";
import type { ResourcePath } from "../input/resource-path.ts";

/** Empty texts stand for what is absent. */
export interface ResourceAttributes {
  readonly type: "resource";
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export interface PathAttributes {
  readonly type: "path";
  readonly verb: string;
  readonly path: string;
}

export type Attributes = ResourceAttributes | PathAttributes;

type AskedRequest = Pick<ApiRequest, "method" | "path" | "query">;

/** `path`: the request's, when it is one of a resource. */
export function attributesOf(request: AskedRequest, path: ResourcePath | undefined): Attributes {
  if (path === undefined) return { type: "path", verb: request.method.toLowerCase(), path: request.path };
  const { group, version, plural: resource, subresource = "" } = path;
  const name = path.name ?? selectedName(request);
  // What is done to a namespace may be allowed by a role in it.
  const isNamespace = group === "" && resource === "namespaces";
  const namespace = path.namespace ?? (isNamespace ? (path.name ?? "") : "");
  return { type: "resource", verb: verbOf(request, path), group, version, resource, subresource, namespace, name };
}

function verbOf({ method, query }: AskedRequest, { name }: ResourcePath): string {
  switch (method) {
    case "GET":
      if (name !== undefined) return "get";
      return isTrue(query.get("watch")) ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === undefined ? "deletecollection" : "delete";
  }
}

/** A list of the one object with a name is allowed to who may see that object. */
function selectedName({ method, query }: AskedRequest): string {
  if (method !== "GET" && method !== "DELETE") return "";
  for (const term of (query.get("fieldSelector") ?? "").split(",")) {
    const name = /^metadata\.name==?([^=!,\\]+)$/.exec(term)?.[1];
    if (name !== undefined) return name;
  }
  return "";
}

function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}
