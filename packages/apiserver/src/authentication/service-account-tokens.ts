// Tokens of service accounts: made for some audiences and some time, and good only as long as the account, and the Secret that they may be
// bound to, are there (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens).

import { randomUUID } from "node:crypto";
import type { UserInfo } from "@vivarium/api";
import { decodeJwt, errors, jwtVerify, SignJWT } from "jose";
import { CredentialsError, type AuthenticatedToken, type TokenAuthenticator } from "./token-authenticator.ts";
import type { ServiceAccountKeys } from "./service-account-keys.ts";

/** An object by name and identity: one that was made again is another one. */
export interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

export interface TokenOrder {
  readonly namespace: string;
  readonly account: BoundObject;
  readonly secret?: BoundObject;
  readonly audiences: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** The uid of an object; undefined when it is not there. */
export type FindUid = (
  plural: "serviceaccounts" | "secrets",
  namespace: string,
  name: string,
) => Promise<string | undefined>;

interface BoundClaims {
  readonly namespace?: string;
  readonly serviceaccount?: Partial<BoundObject>;
  readonly secret?: Partial<BoundObject>;
}

export class ServiceAccountTokens implements TokenAuthenticator {
  readonly issuer: string;
  readonly #keys: ServiceAccountKeys;
  readonly #findUid: FindUid;
  readonly #now: () => Date;

  constructor(options: {
    readonly issuer: string;
    readonly keys: ServiceAccountKeys;
    readonly findUid: FindUid;
    readonly now: () => Date;
  }) {
    this.issuer = options.issuer;
    this.#keys = options.keys;
    this.#findUid = options.findUid;
    this.#now = options.now;
  }

  issue({ namespace, account, secret, audiences, issuedAt, expiresAt }: TokenOrder): Promise<string> {
    const { id, privateKey, algorithm } = this.#keys.newest;
    const bound: BoundClaims = { namespace, serviceaccount: account, ...(secret !== undefined && { secret }) };
    return new SignJWT({ "kubernetes.io": bound })
      .setProtectedHeader({ alg: algorithm, kid: id })
      .setIssuer(this.issuer)
      .setSubject(userNameOf(namespace, account.name))
      .setAudience([...audiences])
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(privateKey);
  }

  async authenticate(token: string, audiences: readonly string[]): Promise<AuthenticatedToken | undefined> {
    if (!isFrom(this.issuer, token)) return undefined;
    const { payload } = await verifiedToken(token, this.#keys, { issuer: this.issuer, now: this.#now() });
    const { namespace = "", serviceaccount, secret } = (payload["kubernetes.io"] ?? {}) as BoundClaims;
    const { name = "", uid = "" } = serviceaccount ?? {};
    if (payload.sub !== userNameOf(namespace, name)) throw new CredentialsError("the token names no service account");
    const wanted = audiencesOf(payload.aud).filter((each) => audiences.includes(each));
    if (wanted.length === 0) throw new CredentialsError(`the token is not for ${audiences.join(" or ")}`);
    if ((await this.#findUid("serviceaccounts", namespace, name)) !== uid)
      throw new CredentialsError(`the service account ${namespace}/${name} of the token is gone`);
    const secretUid = secret?.name === undefined ? undefined : await this.#findUid("secrets", namespace, secret.name);
    if (secret !== undefined && secretUid !== secret.uid)
      throw new CredentialsError(`the Secret ${namespace}/${secret.name ?? ""} of the token is gone`);
    return { user: accountUser({ namespace, name, uid, tokenId: payload.jti }), audiences: wanted };
  }
}

function userNameOf(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function accountUser(of: {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly tokenId: string | undefined;
}): UserInfo {
  return {
    name: userNameOf(of.namespace, of.name),
    uid: of.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${of.namespace}`, "system:authenticated"],
    ...(of.tokenId !== undefined && {
      extra: { "authentication.kubernetes.io/credential-id": [`JTI=${of.tokenId}`] },
    }),
  };
}

/** Read without being believed: only to know who has to check it. */
export function isFrom(issuer: string, token: string): boolean {
  try {
    return decodeJwt(token).iss === issuer;
  } catch {
    return false;
  }
}

/** Signed with one of our keys by this issuer, and not at its end. Throws CredentialsError. */
export async function verifiedToken(
  token: string,
  keys: ServiceAccountKeys,
  { issuer, now }: { readonly issuer: string; readonly now: Date },
) {
  try {
    return await jwtVerify(
      token,
      ({ kid }) => {
        const key = keys.find(kid);
        if (key === undefined)
          throw new CredentialsError(`the token is signed with the unknown key ${kid ?? "(none)"}`);
        return key;
      },
      { issuer, algorithms: ["ES256"], currentDate: now, requiredClaims: ["exp", "sub", "aud"] },
    );
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new CredentialsError(error.message, { cause: error });
    throw error;
  }
}

export function audiencesOf(claim: string | readonly string[] | undefined): readonly string[] {
  return typeof claim === "string" ? [claim] : (claim ?? []);
}
