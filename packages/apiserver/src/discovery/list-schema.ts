// The schema of a list, the same in both OpenAPI documents but for how each refers to another schema.

import type { JsonSchema } from "../custom-resource-definition.ts";
import type { Resource } from "../resource.ts";

export const listMetaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

export const listMetaSchema: JsonSchema = {
  type: "object",
  description: "Metadata of a list.",
  properties: {
    resourceVersion: { type: "string", description: "The version of the store that the list shows." },
    continue: { type: "string", description: "For the next request, when there is more." },
    remainingItemCount: { type: "integer", format: "int64", description: "How many more there are." },
    selfLink: { type: "string" },
  },
};

export function listSchema(
  { group, version, kind: itemKind, listKind: kind }: Resource,
  refs: { readonly metadata: object; readonly item: object },
) {
  return {
    description: `${kind} is a list of ${itemKind}.`,
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: refs.metadata,
      items: { type: "array", items: refs.item },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind }],
  };
}
