// The server's own keys: a CA made once, a server certificate renewed before it expires, and the administrator's token. The X.509
// library is loaded only when something has to be made.

import { X509Certificate, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

export interface ServerIdentity {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly token: string;
}

const dayMs = 86_400_000;
/** A certificate is replaced when less than this is left. */
const renewBeforeMs = 30 * dayMs;

export async function loadServerIdentity(
  stateDir: StateDir,
  options: { readonly now?: () => Date; readonly host?: string } = {},
): Promise<ServerIdentity> {
  const names = serverNames(options.host);
  const now = (options.now ?? (() => new Date()))();
  const file = (name: string): string => join(stateDir.pki, name);
  let ca = readPair(file("ca.crt"), file("ca.key"));
  let server = readPair(file("server.crt"), file("server.key"));
  const caIsGood = ca !== undefined && isValidAt(ca.cert, now);
  const serverIsGood =
    caIsGood &&
    server !== undefined &&
    ca !== undefined &&
    isValidAt(server.cert, now) &&
    isFor(server.cert, names) &&
    isSignedBy(server.cert, ca.cert);
  if (!caIsGood || !serverIsGood || ca === undefined || server === undefined) {
    const { makeCa, makeServerCertificate } = await import("./certificates.ts");
    if (!caIsGood || ca === undefined) {
      ca = await makeCa(now);
      writePrivateFile(file("ca.key"), ca.key);
      writePrivateFile(file("ca.crt"), ca.cert);
    }
    server = await makeServerCertificate(ca, { now, names });
    writePrivateFile(file("server.key"), server.key);
    writePrivateFile(file("server.crt"), server.cert);
  }
  return { caPem: ca.cert, certPem: server.cert, keyPem: server.key, token: loadToken(file("admin-token")) };
}

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** `host`: the address that it listens on; one that means "all" is no name. */
function serverNames(host = "127.0.0.1"): readonly string[] {
  const own = ["0.0.0.0", "::"].includes(host) ? addressesOfThisHost() : [host];
  return [...new Set(["localhost", hostname(), "127.0.0.1", "::1", ...own])];
}

function addressesOfThisHost(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.filter((each) => each.scopeid === undefined || each.scopeid === 0).map((each) => each.address);
}

function isFor(pem: string, names: readonly string[]): boolean {
  const certificate = new X509Certificate(pem);
  return names.every(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
  );
}

function readPair(certPath: string, keyPath: string): KeyPair | undefined {
  try {
    return { cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isValidAt(pem: string, now: Date): boolean {
  return new X509Certificate(pem).validToDate.getTime() - now.getTime() > renewBeforeMs;
}

function isSignedBy(pem: string, caPem: string): boolean {
  return new X509Certificate(pem).verify(new X509Certificate(caPem).publicKey);
}

function loadToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const token = randomBytes(32).toString("base64url");
  writePrivateFile(path, `${token}\n`);
  return token;
}
