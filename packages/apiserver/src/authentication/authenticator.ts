// Who asks: by a client certificate, by a bearer token, or nobody in particular. Credentials that are shown must hold; only who shows
// none is anonymous.

import type { UserInfo } from "@vivarium/api";
import type { Logger } from "pino";
import { CredentialsError } from "./token-authenticator.ts";
import type { TokenAuthentication } from "./token-authentication.ts";

export interface Credentials {
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Of the client; `isTrusted`: signed by the authority for clients, and valid now. */
  readonly certificate?: {
    readonly isTrusted: boolean;
    readonly commonName: string;
    readonly organizations: readonly string[];
  };
}

export const anonymous: UserInfo = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export class Authenticator {
  readonly #tokens: TokenAuthentication;
  readonly #log: Logger;

  constructor(options: { readonly tokens: TokenAuthentication; readonly log: Logger }) {
    this.#tokens = options.tokens;
    this.#log = options.log;
  }

  /** Undefined: credentials were shown and do not hold. */
  async authenticate({ headers, certificate }: Credentials): Promise<UserInfo | undefined> {
    if (certificate?.isTrusted === true && certificate.commonName !== "") {
      const { commonName, organizations } = certificate;
      return { name: commonName, groups: [...organizations, "system:authenticated"] };
    }
    const authorization = headers["authorization"];
    if (authorization === undefined) return certificate === undefined ? anonymous : undefined;
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) return undefined;
    try {
      return (await this.#tokens.authenticate(token)).user;
    } catch (error) {
      if (!(error instanceof CredentialsError)) throw error;
      this.#log.warn({ reason: error.message }, "a bearer token was refused");
      return undefined;
    }
  }
}
