// "Whose token is this?": for other services that take this server's tokens.

import { CredentialsError } from "../authentication/token-authenticator.ts";
import { invalid } from "../errors.ts";
import { required } from "../schema/field-error.ts";
import { flag, reviewDefinition, struct, text, texts, type Review } from "./review.ts";
import { shownUser, userSchema } from "./self-subject-review.ts";

export const tokenReview: Review = {
  definition: reviewDefinition({
    group: "authentication.k8s.io",
    kind: "TokenReview",
    description: "Asks whose token this is.",
    spec: struct("The question.", {
      token: text("The token."),
      audiences: texts("Whom the token should be for; this server when empty."),
    }),
    status: struct("The answer.", {
      authenticated: flag("Whether the token holds."),
      user: userSchema,
      audiences: texts("Those of the question that the token is for."),
      error: text("Why it does not hold."),
    }),
  }),
  async answer(state, _context, { target, object }) {
    const { token = "", audiences = [] } = (object["spec"] ?? {}) as { token?: string; audiences?: string[] };
    if (token === "") throw invalid(target.resource, "", [required("spec.token")]);
    // The token itself is not sent back.
    const spec = audiences.length > 0 ? { audiences } : {};
    try {
      const found = await state.tokens.authenticate(token, audiences.length > 0 ? audiences : undefined);
      const status = { authenticated: true, user: shownUser(found.user), audiences: found.audiences };
      return { ...object, spec, status };
    } catch (error) {
      if (!(error instanceof CredentialsError)) throw error;
      return { ...object, spec, status: { user: {}, error: `invalid bearer token: ${error.message}` } };
    }
  },
};
