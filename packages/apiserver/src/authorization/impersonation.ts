// `kubectl --as`: acting as somebody else, for who may (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/).

import type { ApiRequest, UserInfo } from "@vivarium/api";
import { badRequest } from "../errors.ts";
import { assertAllowed, type AccessControl } from "./access-control.ts";
import type { ResourceAttributes } from "./attributes.ts";

const prefix = "impersonate-";
const extraPrefix = `${prefix}extra-`;

/** Who the request is to be taken for; undefined when it does not ask. Throws Forbidden. */
export function impersonated(access: AccessControl, { user, headers }: ApiRequest): UserInfo | undefined {
  if (!asks(headers)) return undefined;
  const name = headers["impersonate-user"] ?? "";
  const groups = listOf(headers["impersonate-group"]);
  const uid = headers["impersonate-uid"] ?? "";
  const extra = Object.entries(headers)
    .filter(([header]) => header.startsWith(extraPrefix))
    .map(([header, value]): [string, string[]] => [decode(header.slice(extraPrefix.length)), listOf(value)]);
  if (name === "") {
    if (groups.length === 0 && uid === "" && extra.length === 0) return undefined;
    throw badRequest("requested to impersonate groups, a uid or extra fields without impersonating a user");
  }
  const ask = (attributes: Partial<ResourceAttributes> & { readonly resource: string; readonly name: string }): void =>
    assertAllowed(access, user, { ...impersonate, ...attributes });
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account === null) ask({ resource: "users", name });
  else ask({ resource: "serviceaccounts", namespace: account[1] ?? "", name: account[2] ?? "" });
  for (const group of groups) ask({ resource: "groups", name: group });
  const authentication = { group: "authentication.k8s.io" };
  for (const [key, values] of extra)
    for (const value of values) ask({ ...authentication, resource: "userextras", subresource: key, name: value });
  if (uid !== "") ask({ ...authentication, resource: "uids", name: uid });
  return {
    name,
    groups: withImplied(groups, { name, namespace: account?.[1] }),
    ...(uid !== "" && { uid }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  };
}

/** Nearly all do not, and every request is looked at. */
function asks(headers: ApiRequest["headers"]): boolean {
  for (const header in headers) if (header.startsWith(prefix)) return true;
  return false;
}

const impersonate: Omit<ResourceAttributes, "resource" | "name"> = {
  type: "resource",
  verb: "impersonate",
  group: "",
  version: "v1",
  subresource: "",
  namespace: "",
};

/** Groups that everybody of that kind is in. */
function withImplied(
  given: readonly string[],
  { name, namespace }: { readonly name: string; readonly namespace: string | undefined },
): readonly string[] {
  const groups =
    namespace !== undefined && given.length === 0
      ? ["system:serviceaccounts", `system:serviceaccounts:${namespace}`]
      : [...given];
  if (groups.includes("system:authenticated") || groups.includes("system:unauthenticated")) return groups;
  return [...groups, name === "system:anonymous" ? "system:unauthenticated" : "system:authenticated"];
}

/** HTTP joins repeated headers with commas. */
function listOf(header: string | undefined): string[] {
  return (header ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function decode(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
