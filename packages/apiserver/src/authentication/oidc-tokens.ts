// ID tokens of an OpenID Connect provider (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens).
// Its keys are fetched when the first token comes, and again when one names a key that is not known.

import { request } from "node:https";
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import { audiencesOf, isFrom } from "./service-account-tokens.ts";
import { CredentialsError, type AuthenticatedToken, type TokenAuthenticator } from "./token-authenticator.ts";

export interface OidcOptions {
  /** An https URL, without `/.well-known/…`. */
  readonly issuerUrl: string;
  readonly clientId: string;
  /** Default `sub`. */
  readonly usernameClaim?: string;
  /** Put before the name. Default: the issuer and `#`, and nothing for the claim `email`; `-` for nothing. */
  readonly usernamePrefix?: string;
  readonly groupsClaim?: string;
  readonly groupsPrefix?: string;
  /** PEM of the authority that the provider's certificate is checked with; the system's when absent. */
  readonly ca?: string;
}

/** All of them asymmetric: a provider's secret never lies here. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const fetchTimeoutMs = 10_000;
const maxDocumentBytes = 1024 * 1024;
/** Names and groups of this form belong to the server itself. */
const reserved = "system:";

export class OidcTokens implements TokenAuthenticator {
  readonly #options: OidcOptions;
  readonly #now: () => Date;
  #keys: Promise<JWTVerifyGetKey> | undefined;

  constructor(options: OidcOptions, { now }: { readonly now: () => Date }) {
    if (!options.issuerUrl.startsWith("https://"))
      throw new TypeError(`Cannot use the OIDC issuer: found ${options.issuerUrl}, expected an https URL`);
    this.#options = options;
    this.#now = now;
  }

  async authenticate(token: string): Promise<AuthenticatedToken | undefined> {
    const { issuerUrl: issuer, clientId: audience } = this.#options;
    if (!isFrom(issuer, token)) return undefined;
    try {
      const options = { issuer, audience, algorithms, currentDate: this.#now(), requiredClaims: ["exp"] };
      const { payload } = await jwtVerify(token, await this.#keySet(), options);
      return { user: this.#user(payload), audiences: audiencesOf(payload.aud) };
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new CredentialsError(error.message, { cause: error });
      throw error;
    }
  }

  #user(payload: JWTPayload) {
    const { issuerUrl, usernameClaim = "sub", groupsClaim } = this.#options;
    const claimed = payload[usernameClaim];
    if (typeof claimed !== "string" || claimed === "")
      throw new CredentialsError(`the token has no claim ${usernameClaim} with a name`);
    if (usernameClaim === "email" && payload["email_verified"] === false)
      throw new CredentialsError("the e-mail address of the token is not verified");
    const usualPrefix = usernameClaim === "email" ? "" : `${issuerUrl}#`;
    const name = prefixed(this.#options.usernamePrefix ?? usualPrefix, claimed);
    if (name.startsWith(reserved)) throw new CredentialsError(`the token claims the name ${name}`);
    const groups = groupsClaim === undefined ? [] : textsOf(payload[groupsClaim], groupsClaim);
    return {
      name,
      groups: [
        ...groups
          .map((group) => prefixed(this.#options.groupsPrefix ?? "", group))
          .filter((group) => !group.startsWith(reserved)),
        "system:authenticated",
      ],
    };
  }

  /** A provider that does not answer is asked again at the next token. */
  #keySet(): Promise<JWTVerifyGetKey> {
    this.#keys ??= discover(this.#options).catch((error: unknown) => {
      this.#keys = undefined;
      throw new CredentialsError(
        `the keys of ${this.#options.issuerUrl} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    });
    return this.#keys;
  }
}

function prefixed(prefix: string, text: string): string {
  return prefix === "-" ? text : prefix + text;
}

function textsOf(claim: unknown, name: string): readonly string[] {
  if (claim === undefined) return [];
  const list: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  if (!list.every((each) => typeof each === "string"))
    throw new CredentialsError(`the claim ${name} of the token is neither a text nor a list of texts`);
  return list;
}

async function discover({ issuerUrl, ca }: OidcOptions): Promise<JWTVerifyGetKey> {
  const get = (url: string): Promise<Response> => fetchOverTls(url, ca);
  const response = await get(`${issuerUrl.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const { issuer, jwks_uri: jwksUri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (issuer !== issuerUrl) throw new TypeError(`it says that its issuer is ${String(issuer)}`);
  if (typeof jwksUri !== "string") throw new TypeError("it names no jwks_uri");
  return createRemoteJWKSet(new URL(jwksUri), { [customFetch]: (url: string) => get(url) });
}

/** Node's own `fetch` takes no authority of one's own. */
function fetchOverTls(url: string, ca: string | undefined): Promise<Response> {
  return new Promise((resolve, reject) => {
    const options = {
      ...(ca !== undefined && { ca }),
      timeout: fetchTimeoutMs,
      headers: { accept: "application/json" },
    };
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxDocumentBytes)
          outgoing.destroy(new RangeError(`${url} is larger than ${maxDocumentBytes} bytes`));
      });
      incoming.on("error", reject);
      incoming.on("end", () => resolve(new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 500 })));
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer in ${fetchTimeoutMs / 1000} s`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
