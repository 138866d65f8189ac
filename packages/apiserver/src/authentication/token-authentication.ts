// Bearer tokens of all kinds. What was found out is remembered for some seconds, since checking a signature costs as much as a write.

import { createHash } from "node:crypto";
import { CredentialsError, type AuthenticatedToken, type TokenAuthenticator } from "./token-authenticator.ts";

/** How long a token that ceases to hold (its account was deleted, it expired) may still be taken. */
const rememberMs = 5_000;
const maxRemembered = 10_000;

interface Remembered {
  readonly until: number;
  readonly found: AuthenticatedToken;
}

export class TokenAuthentication {
  readonly #authenticators: readonly TokenAuthenticator[];
  readonly #audiences: readonly string[];
  readonly #now: () => Date;
  /** By a digest: the tokens themselves do not stay in memory. */
  readonly #remembered = new Map<string, Remembered>();

  /** `audiences`: what tokens must be for that are used at this server. */
  constructor(options: {
    readonly authenticators: readonly TokenAuthenticator[];
    readonly audiences: readonly string[];
    readonly now: () => Date;
  }) {
    this.#authenticators = options.authenticators;
    this.#audiences = options.audiences;
    this.#now = options.now;
  }

  /** Throws CredentialsError when the token is nobody's. */
  async authenticate(token: string, audiences = this.#audiences): Promise<AuthenticatedToken> {
    const key = createHash("sha256")
      .update(`${audiences.join("\n")}\n\n${token}`)
      .digest("base64");
    const now = this.#now().getTime();
    const known = this.#remembered.get(key);
    if (known !== undefined && known.until > now) return known.found;
    const found = await this.#find(token, audiences);
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    this.#remembered.set(key, { found, until: now + rememberMs });
    return found;
  }

  async #find(token: string, audiences: readonly string[]): Promise<AuthenticatedToken> {
    const problems: string[] = [];
    for (const authenticator of this.#authenticators) {
      try {
        const found = await authenticator.authenticate(token, audiences);
        if (found !== undefined) return found;
      } catch (error) {
        if (!(error instanceof CredentialsError)) throw error;
        problems.push(error.message);
      }
    }
    throw new CredentialsError(problems.length === 0 ? "the token is of no known kind" : problems.join("; "));
  }
}
