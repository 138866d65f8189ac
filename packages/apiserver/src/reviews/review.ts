// A review is a kind without storage: what is created is a question, and the answer is its status. Each review brings its kind, in the
// form that all kinds have, so that discovery, validation and `kubectl explain` know it like any other.

import type { CustomResourceDefinition, JsonSchema } from "../custom-resource-definition.ts";
import type { Target } from "../input/target.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import type { ApiObject } from "../stored-object.ts";

export interface Review {
  readonly definition: CustomResourceDefinition;
  /** Gives the object with its status. `object` fits the schema. */
  answer(
    state: ServerState,
    context: RequestContext,
    asked: { readonly target: Target; readonly object: ApiObject },
  ): ApiObject | Promise<ApiObject>;
}

export class ReviewTable {
  readonly #reviews: ReadonlyMap<string, Review>;

  constructor(reviews: readonly Review[]) {
    this.#reviews = new Map(
      reviews.map((review) => [`${review.definition.spec.group}/${review.definition.spec.names.plural}`, review]),
    );
  }

  find({ group, plural }: { readonly group: string; readonly plural: string }): Review | undefined {
    return this.#reviews.get(`${group}/${plural}`);
  }
}

export function reviewDefinition(of: {
  readonly group: string;
  readonly kind: string;
  readonly description: string;
  readonly namespaced?: boolean;
  /** Absent where there is nothing to ask but who one is. */
  readonly spec?: JsonSchema;
  readonly status: JsonSchema;
}): CustomResourceDefinition {
  const { group, kind, description, spec, status } = of;
  const plural = `${kind.toLowerCase()}s`;
  return {
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: of.namespaced === true ? "Namespaced" : "Cluster",
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              description,
              ...(spec !== undefined && { required: ["spec"] }),
              properties: { ...(spec !== undefined && { spec }), status },
            },
          },
        },
      ],
    },
  };
}

// The vocabulary of the schemas of reviews.
export const text = (description: string): JsonSchema => ({ type: "string", description });
export const texts = (description: string): JsonSchema => ({ type: "array", description, items: { type: "string" } });
export const flag = (description: string): JsonSchema => ({ type: "boolean", description });
export const struct = (description: string, properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: "object",
  description,
  properties,
});
