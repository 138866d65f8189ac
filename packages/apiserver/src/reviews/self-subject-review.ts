// "Who am I?": `kubectl auth whoami`.

import type { UserInfo } from "@vivarium/api";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { reviewDefinition, struct, text, texts, type Review } from "./review.ts";

export const userSchema: JsonSchema = struct("The user.", {
  username: text("Name."),
  uid: text("Uid."),
  groups: texts("Groups."),
  extra: {
    type: "object",
    description: "What else the credentials say.",
    additionalProperties: { type: "array", items: { type: "string" } },
  },
});

export const selfSubjectReview: Review = {
  definition: reviewDefinition({
    group: "authentication.k8s.io",
    kind: "SelfSubjectReview",
    description: "Asks who one is to the server.",
    status: struct("The answer.", { userInfo: userSchema }),
  }),
  answer: (_state, { request }, { object }) => ({ ...object, status: { userInfo: shownUser(request.user) } }),
};

/** As authentication.k8s.io/v1 UserInfo. */
export function shownUser({ name, uid, groups, extra }: UserInfo): object {
  return { username: name, ...(uid !== undefined && { uid }), groups, ...(extra !== undefined && { extra }) };
}
