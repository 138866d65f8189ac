// The system's ssh, told whose host keys to believe: a VM's key is pinned under its uid, in a file of our own. A new VM with an old
// address is thus no "host key changed", and a changed key of the same VM still is.

import { existsSync, readFileSync } from "node:fs";
import type { VirtualMachine } from "@vivarium/api";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

export interface SshTarget {
  readonly vm: VirtualMachine;
  readonly ip: string;
  readonly user: string;
}

/** A guest that was started so short a time ago may be about to start its SSH server; ssh itself tries again, once a second. */
const bootMs = 180_000;
const attemptsDuringBoot = 60;

/** Arguments for ssh, up to and including the destination. */
export function sshArguments(
  { vm, ip, user }: SshTarget,
  options: { readonly stateDir: StateDir; readonly identity?: string; readonly isBatch?: boolean },
): readonly string[] {
  const { stateDir } = options;
  const identity = options.identity ?? (existsSync(stateDir.sshKey) ? stateDir.sshKey : undefined);
  const settings = [
    `HostKeyAlias=${hostKeyAlias(vm)}`,
    `UserKnownHostsFile=${stateDir.knownHosts}`,
    "StrictHostKeyChecking=accept-new",
    "HashKnownHosts=no",
    "ConnectTimeout=10",
    "LogLevel=ERROR",
    // Who proves a login in batches tries again himself.
    ...(options.isBatch === true
      ? ["BatchMode=yes"]
      : isBooting(vm)
        ? [`ConnectionAttempts=${attemptsDuringBoot}`]
        : []),
  ];
  return [
    ...settings.flatMap((setting) => ["-o", setting]),
    ...(identity === undefined ? [] : ["-i", identity]),
    "-l",
    user,
    ip,
  ];
}

function isBooting({ status }: VirtualMachine): boolean {
  return Date.now() - Date.parse(status?.startedAt ?? "") < bootMs;
}

function hostKeyAlias(vm: VirtualMachine): string {
  return `${aliasPrefix(vm)}${vm.metadata.uid ?? ""}`;
}

function aliasPrefix(vm: VirtualMachine): string {
  return `${vm.metadata.namespace ?? ""}.${vm.metadata.name}.vm.`;
}

/** Drops keys pinned for earlier VMs of this name. */
export function dropStaleHostKeys(vm: VirtualMachine, stateDir: StateDir): void {
  if (!existsSync(stateDir.knownHosts)) return;
  const lines = readFileSync(stateDir.knownHosts, "utf8").split("\n");
  const kept = lines.filter((line) => {
    const host = line.split(" ")[0] ?? "";
    return !host.startsWith(aliasPrefix(vm)) || host === hostKeyAlias(vm);
  });
  if (kept.length < lines.length) writePrivateFile(stateDir.knownHosts, kept.join("\n"));
}
