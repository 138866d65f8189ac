// What a Provider's status says. Pure. What always moves (free memory, the time of the last check) is only brought up to date together
// with something that matters, or after ten minutes: an idle system writes nothing.

import { isDeepStrictEqual } from "node:util";
import { formatTime, setCondition } from "@vivarium/api";
import type { Provider, ProviderStatus } from "@vivarium/api";
import type { HypervisorInfo } from "@vivarium/provider";
import type { HostReport } from "./host-reports.ts";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

const refreshMs = 600_000;

/** A host of the Provider, and what is known of it. */
export interface HostOfProvider {
  readonly name: string;
  readonly report: HostReport;
}

interface Report {
  readonly nowMs: number;
  readonly connectedVMs: number;
  readonly hosts: readonly HostOfProvider[];
}

export function providerStatus(provider: Provider, { nowMs, connectedVMs, hosts }: Report): ProviderStatus {
  const old = provider.status ?? {};
  const verdict = verdictOfAll(hosts);
  const healths = hosts.map(({ report }) => report.health);
  const infos = healths.flatMap(({ findings }) => findings?.info ?? []);
  const checkedMs = Math.max(...healths.flatMap(({ checkedMs: ms }) => ms ?? []));
  const isChecked = Number.isFinite(checkedMs);
  // What was found once is no longer true of what cannot be used at all.
  const isRefused = verdict.status === "False" && !isChecked;
  const { adoption, imageCollection } = old;
  const answers: ProviderStatus = {
    ...(adoption === undefined ? {} : { adoption }),
    ...(imageCollection === undefined ? {} : { imageCollection }),
  };
  const { host: _, ...kept } = isRefused ? answers : old;
  const status: ProviderStatus = {
    ...kept,
    healthy: verdict.status === "True",
    connectedVMs,
    ...(hosts.length > 1 || isRefused || old.host === undefined ? {} : { host: old.host }),
    ...foundStatus(infos),
    ...conditionsOf(provider, { verdict, nowMs }),
    ...(isChecked ? { lastHealthCheck: formatTime(new Date(checkedMs)) } : {}),
  };
  const ageMs = nowMs - Date.parse(old.lastHealthCheck ?? "");
  const isStale = isChecked && !(ageMs < refreshMs);
  return isStale || !isDeepStrictEqual(lasting(old), lasting(status)) ? status : old;
}

/** A Provider can be used when any of its hosts can; then it says which cannot. */
export function verdictOfAll(hosts: readonly HostOfProvider[]): Verdict {
  const [first, ...rest] = hosts;
  if (first === undefined) return { status: "False", reason: "NoHosts", message: "The Provider names no host" };
  if (rest.length === 0) return first.report.verdict;
  const names = hosts.filter(({ report }) => report.verdict.status === "True").map(({ name }) => name);
  const others = hosts.filter(({ report }) => report.verdict.status !== "True");
  const why = others.map(({ name, report }) => `${name}: ${report.verdict.message}`).join("; ");
  const connected = `Connected to ${names.join(", ")}`;
  if (others.length === 0) return { status: "True", reason: "Connected", message: connected };
  if (names.length > 0) return { status: "True", reason: "PartlyConnected", message: `${connected}; not to ${why}` };
  const isTrying = others.some(({ report }) => report.verdict.status === "Unknown");
  if (isTrying) return { status: "Unknown", reason: "Connecting", message: why };
  return { status: "False", reason: first.report.verdict.reason, message: why };
}

/** What several hosts have together, and what every one of them can do. */
function merge(a: HypervisorInfo, b: HypervisorInfo): HypervisorInfo {
  const common = (one: readonly string[], other: readonly string[]) => one.filter((each) => other.includes(each));
  const [one, other] = [a.capabilities, b.capabilities];
  return {
    ...a,
    cpus: a.cpus + b.cpus,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    freeMemoryBytes: a.freeMemoryBytes + b.freeMemoryBytes,
    storage: {
      totalBytes: a.storage.totalBytes + b.storage.totalBytes,
      availableBytes: a.storage.availableBytes + b.storage.availableBytes,
    },
    vms: a.vms + b.vms,
    acceleration: a.acceleration.kind === "tcg" ? a.acceleration : b.acceleration,
    capabilities: {
      diskFormats: common(one.diskFormats, other.diskFormats),
      networkModels: common(one.networkModels, other.networkModels),
      linkedClones: one.linkedClones && other.linkedClones,
      snapshots: one.snapshots && other.snapshots,
      memorySnapshots: one.memorySnapshots && other.memorySnapshots,
      imageImport: one.imageImport && other.imageImport,
      serialConsole: one.serialConsole && other.serialConsole,
      uefi: one.uefi && other.uefi,
      secureBoot: one.secureBoot && other.secureBoot,
      tpm: one.tpm && other.tpm,
      nestedVirtualization: one.nestedVirtualization && other.nestedVirtualization,
    },
  };
}

function conditionsOf(
  provider: Provider,
  { verdict, nowMs }: { readonly verdict: Verdict; readonly nowMs: number },
): Pick<ProviderStatus, "conditions" | "observedGeneration"> {
  const observed = observedGenerationOf(provider);
  const now = new Date(nowMs);
  const first = setCondition(provider.status?.conditions, { type: "Ready", ...verdict, ...observed }, { now });
  return {
    conditions: setCondition(first, { type: "ProviderAvailable", ...verdict, ...observed }, { now }),
    ...observed,
  };
}

function foundStatus(infos: readonly HypervisorInfo[]): Partial<ProviderStatus> {
  const [first, ...rest] = infos;
  if (first === undefined) return {};
  const info = rest.reduce(merge, first);
  const { capabilities, storage, hostname, architecture, cpus, memoryBytes, freeMemoryBytes } = info;
  const usedBytes = storage.totalBytes - storage.availableBytes;
  return {
    version: info.version,
    acceleration: { ...info.acceleration },
    ...(rest.length > 0 ? {} : { host: { hostname, architecture, cpus, memoryBytes, freeMemoryBytes } }),
    capabilities: [
      "VirtualMachines",
      "DiskManagement",
      ...(capabilities.snapshots ? (["Snapshots"] as const) : []),
      ...(capabilities.serialConsole ? (["ConsoleAccess"] as const) : []),
    ],
    reportedCapabilities: {
      supportsSnapshots: capabilities.snapshots,
      supportsMemorySnapshots: capabilities.memorySnapshots,
      supportsLinkedClones: capabilities.linkedClones,
      supportsImageImport: capabilities.imageImport,
      supportsSerialConsole: capabilities.serialConsole,
      supportsUEFI: capabilities.uefi,
      supportsSecureBoot: capabilities.secureBoot,
      supportsTPM: capabilities.tpm,
      supportsNestedVirtualization: capabilities.nestedVirtualization,
      supportedDiskTypes: [...capabilities.diskFormats],
      supportedNetworkTypes: [...capabilities.networkModels],
    },
    resourceUsage: {
      memory: usageOf(info.memoryBytes, info.memoryBytes - info.freeMemoryBytes),
      storage: usageOf(storage.totalBytes, usedBytes),
    },
  };
}

function usageOf(total: number, used: number) {
  const usagePercent = total === 0 ? 0 : Math.round((used / total) * 100);
  return { total, available: total - used, used, usagePercent };
}

/** Without what always moves. */
function lasting(status: ProviderStatus): object {
  const { lastHealthCheck: _, resourceUsage: _usage, host, ...rest } = status;
  if (host === undefined) return rest;
  const { freeMemoryBytes: _free, ...lastingHost } = host;
  return { ...rest, host: lastingHost };
}
