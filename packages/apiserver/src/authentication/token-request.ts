// TokenRequest of authentication.k8s.io/v1: what is sent and answered wherever a token is asked for.

import { invalid } from "../errors.ts";
import { Resource } from "../resource.ts";
import { reviewDefinition, struct, text, texts } from "../reviews/review.ts";
import type { ApiObject } from "../stored-object.ts";

const definition = reviewDefinition({
  group: "authentication.k8s.io",
  kind: "TokenRequest",
  description: "Asks for a token: of a service account, or to connect to something with.",
  namespaced: true,
  spec: struct("What the token shall be.", {
    audiences: texts("Whom it is for; this server when empty."),
    expirationSeconds: { type: "integer", format: "int64", nullable: true, description: "How long it holds." },
    boundObjectRef: {
      ...struct("A Secret that the token holds no longer than.", {
        kind: text("`Secret`."),
        apiVersion: text("`v1`."),
        name: text("Name of the Secret."),
        uid: text("Uid of the Secret."),
      }),
      nullable: true,
    },
  }),
  status: struct("The token.", {
    token: text("The token."),
    expirationTimestamp: { type: "string", format: "date-time", nullable: true, description: "When it ends." },
  }),
});
const [version] = definition.spec.versions;
if (version === undefined) throw new TypeError("TokenRequest has no version");
export const tokenRequest = new Resource(definition, version);

export interface TokenRequestSpec {
  readonly audiences?: readonly string[];
  readonly expirationSeconds?: number | null;
  readonly boundObjectRef?: { kind?: string; name?: string; uid?: string } | null;
}

/** `name`: of the object that the token is asked of. */
export function decodeTokenRequest(decode: (resource: Resource) => ApiObject, name: string): TokenRequestSpec {
  const object = decode(tokenRequest);
  const errors = tokenRequest.validator(object);
  if (errors.length > 0) throw invalid(tokenRequest, name, errors);
  return object["spec"] ?? {};
}
