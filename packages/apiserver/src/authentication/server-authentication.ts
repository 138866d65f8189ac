// Authentication put together: which tokens are taken, what the server gives out itself, and where others find its public keys.

import type { UserInfo } from "@vivarium/api";
import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import { respondBytes, respondJson } from "../output/respond.ts";
import type { ResourceRegistry } from "../resource-registry.ts";
import type { Route } from "../router.ts";
import { decodeStored } from "../stored-object.ts";
import type { Subresource } from "../subresources.ts";
import { Authenticator, type Credentials } from "./authenticator.ts";
import { ConnectionTokens } from "./connection-tokens.ts";
import type { ServiceAccountKeys } from "./service-account-keys.ts";
import { ServiceAccountTokens, type FindUid } from "./service-account-tokens.ts";
import { TokenAuthentication } from "./token-authentication.ts";
import type { TokenAuthenticator } from "./token-authenticator.ts";
import { tokenSubresource } from "./token-subresource.ts";

export interface AuthenticationOptions {
  /** Asked in this order, before service accounts. */
  readonly tokens?: readonly TokenAuthenticator[];
  /** Without them no tokens of service accounts are made or taken. */
  readonly serviceAccounts?: {
    readonly keys: ServiceAccountKeys;
    /** An https URL; also the audience of tokens that name none. Every server of one store has the same. */
    readonly issuer: string;
  };
}

export interface ServerAuthentication {
  readonly tokens: TokenAuthentication;
  /** Absent without keys to sign them with. */
  readonly connectionTokens?: ConnectionTokens;
  readonly subresources: readonly Subresource[];
  readonly routes: readonly [string, Route][];
  authenticate(credentials: Credentials): Promise<UserInfo | undefined>;
}

export function serverAuthentication(
  { tokens: given = [], serviceAccounts }: AuthenticationOptions,
  context: {
    readonly store: Store;
    readonly registry: ResourceRegistry;
    readonly log: Logger;
    readonly now: () => Date;
  },
): ServerAuthentication {
  const { store, registry, log, now } = context;
  const findUid: FindUid = async (plural, namespace, name) => {
    const resource = registry.find("", "v1", plural);
    if (resource === undefined) return undefined;
    const found = await store.get(resource.keyOf(namespace, name));
    return found === undefined ? undefined : decodeStored(found, resource).metadata.uid;
  };
  if (serviceAccounts === undefined) {
    const tokens = new TokenAuthentication({ authenticators: given, audiences: [], now });
    return { ...parts(tokens, log), subresources: [], routes: [] };
  }
  const { keys, issuer } = serviceAccounts;
  const audiences = [issuer];
  const own = new ServiceAccountTokens({ issuer, keys, findUid, now });
  const tokens = new TokenAuthentication({ authenticators: [...given, own], audiences, now });
  return {
    ...parts(tokens, log),
    connectionTokens: new ConnectionTokens({ issuer, keys, now }),
    subresources: [tokenSubresource({ tokens: own, audiences, findUid, now })],
    routes: [
      ["/.well-known/openid-configuration", () => respondJson(200, discoveryOf(issuer))],
      [
        "/openid/v1/jwks",
        () => respondBytes(200, Buffer.from(JSON.stringify(keys.publicKeys)), "application/jwk-set+json"),
      ],
    ],
  };
}

function parts(tokens: TokenAuthentication, log: Logger): Pick<ServerAuthentication, "tokens" | "authenticate"> {
  const authenticator = new Authenticator({ tokens, log });
  return { tokens, authenticate: (credentials) => authenticator.authenticate(credentials) };
}

// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
function discoveryOf(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer.replace(/\/$/, "")}/openid/v1/jwks`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}
