// Who is let in, with which keys, and where it is told: the options of `viv server` about security.

import { join, resolve } from "node:path";
import type { AuditLevel, OidcOptions } from "@vivarium/apiserver";
import { CliUserError } from "../cli-error.ts";
import type { StateDir } from "../state-dir.ts";
import { readGivenFile } from "./read-given-file.ts";

/** As given on the command line. */
export interface AccessFlags {
  readonly clientCa?: string;
  readonly serviceAccountIssuer?: string;
  readonly serviceAccountKeys?: string;
  readonly oidcIssuerUrl?: string;
  readonly oidcClientId?: string;
  readonly oidcUsernameClaim?: string;
  readonly oidcUsernamePrefix?: string;
  readonly oidcGroupsClaim?: string;
  readonly oidcGroupsPrefix?: string;
  readonly oidcCa?: string;
  readonly encryptionKeys?: string;
  /** False with `--no-audit`. */
  readonly audit?: boolean;
  readonly auditLog?: string;
  readonly auditLevel?: "metadata" | "request";
  readonly auditMaxSize?: number;
  readonly auditKeep?: number;
}

export interface AccessChoice {
  /** PEM, besides the server's own authority. */
  readonly clientCaPem?: string;
  readonly serviceAccounts: { readonly issuer: string; readonly keysFile?: string };
  readonly oidc?: OidcOptions;
  readonly encryptionKeysFile?: string;
  readonly audit?: {
    readonly path: string;
    readonly level: AuditLevel;
    readonly maxBytes: number;
    readonly keep: number;
  };
}

/** Under a domain that nobody can own: it names this installation and is looked up nowhere. */
const defaultIssuer = "https://vivarium.internal";
const defaultAuditBytes = 100 * 1024 * 1024;
const defaultAuditKeep = 10;

export function accessChoice(flags: AccessFlags, stateDir: StateDir): AccessChoice {
  const oidc = oidcOf(flags);
  return {
    ...(flags.clientCa !== undefined && { clientCaPem: readGivenFile(flags.clientCa) }),
    serviceAccounts: {
      issuer: flags.serviceAccountIssuer ?? defaultIssuer,
      ...(flags.serviceAccountKeys !== undefined && { keysFile: flags.serviceAccountKeys }),
    },
    ...(oidc !== undefined && { oidc }),
    ...(flags.encryptionKeys !== undefined && { encryptionKeysFile: flags.encryptionKeys }),
    ...(flags.audit !== false && {
      audit: {
        path: flags.auditLog ?? join(stateDir.path, "audit", "audit.log"),
        level: flags.auditLevel === "metadata" ? "Metadata" : "Request",
        maxBytes: flags.auditMaxSize === undefined ? defaultAuditBytes : flags.auditMaxSize * 1024 * 1024,
        keep: flags.auditKeep ?? defaultAuditKeep,
      },
    }),
  };
}

/** The same as arguments, for a server that is started in the background; paths no longer depend on the folder. */
export function accessArguments(flags: AccessFlags): string[] {
  const path = (given: string | undefined): string | undefined => (given === undefined ? undefined : resolve(given));
  const given = {
    "--client-ca": path(flags.clientCa),
    "--service-account-issuer": flags.serviceAccountIssuer,
    "--service-account-keys": path(flags.serviceAccountKeys),
    "--oidc-issuer-url": flags.oidcIssuerUrl,
    "--oidc-client-id": flags.oidcClientId,
    "--oidc-username-claim": flags.oidcUsernameClaim,
    "--oidc-username-prefix": flags.oidcUsernamePrefix,
    "--oidc-groups-claim": flags.oidcGroupsClaim,
    "--oidc-groups-prefix": flags.oidcGroupsPrefix,
    "--oidc-ca": path(flags.oidcCa),
    "--encryption-keys": path(flags.encryptionKeys),
    "--audit-log": path(flags.auditLog),
    "--audit-level": flags.auditLevel,
    "--audit-max-size": flags.auditMaxSize?.toString(),
    "--audit-keep": flags.auditKeep?.toString(),
  };
  return [
    ...Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
    ...(flags.audit === false ? ["--no-audit"] : []),
  ];
}

function oidcOf(flags: AccessFlags): OidcOptions | undefined {
  const { oidcIssuerUrl: issuerUrl, oidcClientId: clientId } = flags;
  if (issuerUrl === undefined || clientId === undefined) {
    const [given] = accessArguments(flags).filter((each) => each.startsWith("--oidc-"));
    if (given === undefined) return undefined;
    throw new CliUserError("OIDC needs --oidc-issuer-url and --oidc-client-id.", { exit: "usage" });
  }
  if (!issuerUrl.startsWith("https://"))
    throw new CliUserError(`--oidc-issuer-url: found ${issuerUrl}, expected an https URL.`, { exit: "usage" });
  return {
    issuerUrl,
    clientId,
    ...(flags.oidcUsernameClaim !== undefined && { usernameClaim: flags.oidcUsernameClaim }),
    ...(flags.oidcUsernamePrefix !== undefined && { usernamePrefix: flags.oidcUsernamePrefix }),
    ...(flags.oidcGroupsClaim !== undefined && { groupsClaim: flags.oidcGroupsClaim }),
    ...(flags.oidcGroupsPrefix !== undefined && { groupsPrefix: flags.oidcGroupsPrefix }),
    ...(flags.oidcCa !== undefined && { ca: readGivenFile(flags.oidcCa) }),
  };
}
