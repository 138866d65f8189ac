// What a Host's status says. Pure. What always moves (free memory, free space, the time of the last answer) is only brought up to date
// when it moved far, together with something that matters, or after ten minutes: an idle host is not written.

import { isDeepStrictEqual } from "node:util";
import { formatTime, roundQuantity, setCondition, zoneLabel } from "@vivarium/api";
import type { Host, HostStatus } from "@vivarium/api";
import type { DomainSummary, Provider as OpenProvider } from "@vivarium/provider";
import { otherMachine } from "./host-identity.ts";
import type { HostFindings, HostHealth } from "./host-health.ts";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";
import type { HostPolicy } from "./provider-config.ts";

const refreshMs = 600_000;
/** Of the whole: what moved less is not worth a write. */
const smallestMove = 1 / 20;

export interface HostStatusInput {
  readonly nowMs: number;
  readonly verdict: Verdict;
  readonly endpoint: string;
  /** Absent where the host is refused before it is asked. */
  readonly health?: HostHealth;
  readonly policy?: HostPolicy;
  /** Whether a domain is that of a VirtualMachine here. */
  readonly isOurs: (uid: string) => boolean;
  readonly roles: Pick<OpenProvider, "hotplug" | "pools" | "volumes">;
}

export function hostStatus(host: Host, input: HostStatusInput): HostStatus {
  const old = host.status ?? {};
  const { verdict, health, nowMs } = input;
  const observed = observedGenerationOf(host);
  const { zone: _, ...kept } = old;
  const zone = host.metadata.labels?.[zoneLabel];
  const status: HostStatus = {
    ...kept,
    endpoint: input.endpoint,
    ...(zone === undefined ? {} : { zone }),
    ...(health?.findings === undefined ? {} : foundStatus(health.findings, input)),
    // Who it was is remembered until somebody says that the other one is meant.
    ...(otherMachine(old, { findings: health?.findings, endpoint: input.endpoint }) === undefined
      ? {}
      : { hostname: old.hostname ?? "", uuid: old.uuid ?? "" }),
    ...observed,
    conditions: setCondition(old.conditions, { type: "Ready", ...verdict, ...observed }, { now: new Date(nowMs) }),
    ...(health?.verdict === "healthy" && health.checkedMs !== undefined
      ? { lastSeen: formatTime(new Date(health.checkedMs)) }
      : {}),
  };
  const ageMs = nowMs - Date.parse(old.lastSeen ?? "");
  const isStale = verdict.status === "True" && !(ageMs < refreshMs);
  const hasMoved = isMoved(old, status);
  return isStale || hasMoved || !isDeepStrictEqual(lasting(old), lasting(status)) ? status : old;
}

function foundStatus(findings: HostFindings, input: HostStatusInput): Partial<HostStatus> {
  const { info, details, domains } = findings;
  const { capabilities, acceleration, storage } = info;
  const capacity = { cpus: info.cpus, memoryBytes: info.memoryBytes };
  const ours = domains?.filter(({ uid }) => input.isOurs(uid));
  const others = domains?.filter(({ uid }) => !input.isOurs(uid));
  const { hotplug, pools, volumes } = input.roles;
  return {
    hostname: info.hostname,
    architecture: info.architecture,
    ...(details?.uuid === undefined ? {} : { uuid: details.uuid }),
    ...(details?.cpuModel === undefined ? {} : { cpuModel: details.cpuModel }),
    versions: details === undefined ? { hypervisor: info.version } : { ...details.versions },
    acceleration: { ...acceleration },
    capacity: forPeople(capacity),
    ...(input.policy === undefined ? {} : { allocatable: forPeople(allocatableOf(capacity, input.policy)) }),
    ...(ours === undefined ? {} : { allocated: forPeople(takenBy(ours)) }),
    ...(others === undefined ? {} : { allocatedByOthers: forPeople(takenBy(others)) }),
    freeMemoryBytes: info.freeMemoryBytes,
    storage: { ...storage },
    capabilities: {
      uefi: capabilities.uefi,
      secureBoot: capabilities.secureBoot,
      tpm: capabilities.tpm,
      nestedVirtualization: capabilities.nestedVirtualization,
      linkedClones: capabilities.linkedClones,
      imageImport: capabilities.imageImport,
      serialConsole: capabilities.serialConsole,
      hotplug: hotplug !== undefined,
      storagePools: pools !== undefined && volumes !== undefined,
      diskFormats: [...capabilities.diskFormats],
      networkModels: [...capabilities.networkModels],
    },
  };
}

function forPeople<T extends { readonly memoryBytes: number }>(amount: T): T & { readonly memory: string } {
  return { ...amount, memory: roundQuantity(amount.memoryBytes) };
}

/** What of a capacity machines may take. */
export function allocatableOf(
  capacity: { readonly cpus: number; readonly memoryBytes: number },
  policy: HostPolicy,
): { readonly cpus: number; readonly memoryBytes: number } {
  const part = (whole: number, percent: number): number => Math.floor((Math.max(0, whole) * percent) / 100);
  return {
    cpus: part(capacity.cpus - policy.reservedCpus, policy.cpuOvercommitPercent),
    memoryBytes: part(capacity.memoryBytes - policy.reservedMemoryBytes, policy.memoryOvercommitPercent),
  };
}

/** Those that are off hold nothing. */
function takenBy(domains: readonly DomainSummary[]) {
  const running = domains.filter(({ isOn }) => isOn);
  return {
    machines: running.length,
    cpus: running.reduce((sum, { cpus }) => sum + cpus, 0),
    memoryBytes: running.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
  };
}

function isMoved(old: HostStatus, now: HostStatus): boolean {
  return (
    movesFar(old.freeMemoryBytes, now.freeMemoryBytes, now.capacity?.memoryBytes) ||
    movesFar(old.storage?.availableBytes, now.storage?.availableBytes, now.storage?.totalBytes)
  );
}

function movesFar(before: number | undefined, now: number | undefined, whole: number | undefined): boolean {
  if (before === undefined || now === undefined || whole === undefined) return before !== now;
  return Math.abs(now - before) >= whole * smallestMove;
}

/** Without what always moves. */
function lasting(status: HostStatus): object {
  const { lastSeen: _, freeMemoryBytes: _free, storage, ...rest } = status;
  return { ...rest, storage: storage?.totalBytes };
}
