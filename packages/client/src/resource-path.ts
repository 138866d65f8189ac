// Where an object, or a collection of them, lies in the API:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris

import { apiVersionOf } from "@vivarium/api";
import type { ResourceType } from "@vivarium/api";

export function resourcePath(
  type: ResourceType,
  target: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  const namespace =
    type.namespaced && target.namespace !== undefined ? `/namespaces/${encodeURIComponent(target.namespace)}` : "";
  const name = target.name === undefined ? "" : `/${encodeURIComponent(target.name)}`;
  const subresource = target.subresource === undefined ? "" : `/${target.subresource}`;
  return `${root}${namespace}/${type.plural}${name}${subresource}`;
}
