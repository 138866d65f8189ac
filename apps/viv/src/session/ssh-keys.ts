// Which SSH keys VMs are given: the user's own, and one of Vivarium's without a passphrase, so that viv can log in without asking.

import { existsSync, readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { ConfigMap, isStatus } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import { runQuietly } from "../setup/run-host-command.ts";
import { makeStateDir, type StateDir } from "../state-dir.ts";

/** Where the VirtualMachine controller reads the keys: entries are authorized_keys lines. */
const keysConfigMap = { namespace: "vivarium-system", name: "vivarium-ssh-keys" } as const;

const userKeyFiles: readonly string[] = [
  "id_ed25519.pub",
  "id_ecdsa.pub",
  "id_rsa.pub",
  "id_ed25519_sk.pub",
  "id_ecdsa_sk.pub",
];

/** Makes Vivarium's key pair when it is missing. */
export async function ensureOwnKey(stateDir: StateDir): Promise<void> {
  if (existsSync(stateDir.sshKey) && existsSync(`${stateDir.sshKey}.pub`)) return;
  makeStateDir(stateDir);
  const comment = `vivarium@${hostname()}`;
  const made = await runQuietly("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", stateDir.sshKey]);
  if (made.code !== 0) {
    throw new CliUserError(`Cannot make an SSH key in ${stateDir.path}: ${made.stderr.trim()}`, { fix: ["viv setup"] });
  }
}

/** The user's public keys, by file. */
export function userPublicKeys(home: string = homedir()): Readonly<Record<string, string>> {
  const folder = join(home, ".ssh");
  return Object.fromEntries(
    userKeyFiles
      .map((file) => [file, join(folder, file)] as const)
      .filter(([, path]) => existsSync(path))
      .map(([file, path]) => [file.replace(/\.pub$/, ""), readFileSync(path, "utf8").trim()]),
  );
}

/** Puts the keys where VMs get them from; true when something was written. Keys that others put there stay. */
export async function publishKeys(client: Client, stateDir: StateDir): Promise<boolean> {
  const own = readFileSync(`${stateDir.sshKey}.pub`, "utf8").trim();
  const prefix = `${hostname()}.${process.env["USER"] ?? "root"}`.replaceAll(/[^-._a-zA-Z0-9]/g, "-");
  const users = Object.entries(userPublicKeys()).map(([name, line]) => [`${prefix}.${name}`, line]);
  const data: Record<string, string> = Object.fromEntries([["vivarium", own], ...users]) as Record<string, string>;
  const object: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { ...keysConfigMap }, data };
  try {
    const live = await client.get(ConfigMap, keysConfigMap);
    if (Object.entries(data).every(([name, line]) => live.data?.[name] === line)) return false;
    await client.mergePatch(ConfigMap, keysConfigMap, { data });
  } catch (error) {
    if (!isStatus(error, "NotFound")) throw error;
    await client.create(ConfigMap, object);
  }
  return true;
}
