// Whose tokens this server takes.

import { OidcTokens, type AuthenticationOptions } from "@vivarium/apiserver";
import type { StateDir } from "../state-dir.ts";
import type { AccessChoice } from "./access-choice.ts";
import { administratorToken } from "./administrator-token.ts";
import { loadServiceAccountKeys } from "./service-account-keys.ts";

export async function authenticationOf(
  { serviceAccounts, oidc }: AccessChoice,
  { stateDir, adminToken }: { readonly stateDir: StateDir; readonly adminToken: string },
): Promise<AuthenticationOptions> {
  const { issuer, keysFile } = serviceAccounts;
  return {
    tokens: [
      administratorToken(adminToken),
      ...(oidc === undefined ? [] : [new OidcTokens(oidc, { now: () => new Date() })]),
    ],
    serviceAccounts: { keys: await loadServiceAccountKeys(stateDir, keysFile), issuer },
  };
}
