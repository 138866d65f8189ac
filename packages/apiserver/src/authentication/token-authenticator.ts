// One kind of bearer token, and what all kinds have in common.

import type { UserInfo } from "@vivarium/api";

export interface AuthenticatedToken {
  readonly user: UserInfo;
  /** For whom the token was made, of those that were asked for. */
  readonly audiences: readonly string[];
}

export interface TokenAuthenticator {
  /**
   * Whose token this is. `audiences`: the token must be for one of them. Undefined: not a token of this kind. Throws CredentialsError when it
   * is one and does not hold.
   */
  authenticate(token: string, audiences: readonly string[]): Promise<AuthenticatedToken | undefined>;
}

/** Credentials were shown and do not hold; the message says why, to the log and to TokenReview, and never to who showed them. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
}
