// Tokens for clients that cannot send headers with a WebSocket, browsers above all. A token opens one connection to one subresource of one
// object, as the user who asked for it, within minutes; it stands in the URL, where a log may keep it, so it is worth nothing afterwards.

import { randomUUID } from "node:crypto";
import type { UserInfo } from "@vivarium/api";
import { SignJWT } from "jose";
import type { ServiceAccountKeys } from "./service-account-keys.ts";
import { verifiedToken } from "./service-account-tokens.ts";
import { CredentialsError } from "./token-authenticator.ts";

/** What a token opens. */
export interface ConnectionPlace {
  readonly group: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  /** An object that was made again is another one. */
  readonly uid: string;
  readonly subresource: string;
}

interface Claims {
  readonly place?: ConnectionPlace;
  readonly user?: UserInfo;
}

export class ConnectionTokens {
  readonly #keys: ServiceAccountKeys;
  readonly #issuer: string;
  readonly #now: () => Date;
  /** When they would have ended, by id: those that were used here. */
  readonly #used = new Map<string, number>();

  constructor(options: { readonly issuer: string; readonly keys: ServiceAccountKeys; readonly now: () => Date }) {
    this.#keys = options.keys;
    // Another one than that of service accounts: neither kind is taken for the other.
    this.#issuer = `${options.issuer.replace(/\/$/, "")}/connections`;
    this.#now = options.now;
  }

  issue(
    place: ConnectionPlace,
    { user, issuedAt, expiresAt }: { readonly user: UserInfo; readonly issuedAt: Date; readonly expiresAt: Date },
  ): Promise<string> {
    const { id, privateKey, algorithm } = this.#keys.newest;
    const claims: Claims = { place, user };
    return new SignJWT({ connection: claims })
      .setProtectedHeader({ alg: algorithm, kid: id })
      .setIssuer(this.#issuer)
      .setSubject(user.name)
      .setAudience(this.#issuer)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(privateKey);
  }

  /** Whose token it is; it holds no longer then. Throws CredentialsError. */
  async redeem(token: string, place: ConnectionPlace): Promise<UserInfo> {
    const now = this.#now();
    const { payload } = await verifiedToken(token, this.#keys, { issuer: this.#issuer, now });
    const { place: made, user } = (payload["connection"] ?? {}) as Claims;
    const { jti, exp } = payload;
    if (made === undefined || user === undefined || jti === undefined || exp === undefined)
      throw new CredentialsError("the token opens nothing");
    if (!isSame(made, place))
      throw new CredentialsError(`the token is for ${textOf(made)}, it was shown for ${textOf(place)}`);
    if (this.#used.has(jti)) throw new CredentialsError("the token was used before");
    this.#forgetEnded(now);
    this.#used.set(jti, exp * 1000);
    return user;
  }

  #forgetEnded(now: Date): void {
    for (const [id, endsMs] of this.#used) if (endsMs < now.getTime()) this.#used.delete(id);
  }
}

function isSame(one: ConnectionPlace, other: ConnectionPlace): boolean {
  return textOf(one) === textOf(other);
}

function textOf({ group, plural, namespace, name, uid, subresource }: ConnectionPlace): string {
  return [group, plural, namespace, name, uid, subresource].join("/");
}
