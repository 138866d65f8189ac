// What a Provider's status says. Pure. What always moves (free memory, the time of the last check) is only brought up to date together
// with something that matters, or after ten minutes: an idle system writes nothing.

import { isDeepStrictEqual } from "node:util";
import { formatDuration, formatTime, setCondition } from "@vivarium/api";
import type { Provider, ProviderStatus } from "@vivarium/api";
import type { HypervisorInfo, ProviderErrorCode } from "@vivarium/provider";
import type { ProviderHealth } from "./provider-health.ts";

const refreshMs = 600_000;

interface Report {
  readonly nowMs: number;
  readonly connectedVMs: number;
}

export function refusedStatus(
  provider: Provider,
  report: Report & { readonly reason: string; readonly message: string },
): ProviderStatus {
  const { adoption } = provider.status ?? {};
  const verdict = { status: "False", reason: report.reason, message: report.message } as const;
  return {
    ...(adoption === undefined ? {} : { adoption }),
    healthy: false,
    connectedVMs: report.connectedVMs,
    ...conditionsOf(provider, { ready: verdict, available: verdict, nowMs: report.nowMs }),
  };
}

export function healthStatus(
  provider: Provider,
  report: Report & { readonly health: ProviderHealth; readonly nextCheckMs?: number },
): ProviderStatus {
  const { health, nowMs } = report;
  const old = provider.status ?? {};
  const isHealthy = health.verdict === "healthy";
  const status: ProviderStatus = {
    ...old,
    healthy: isHealthy,
    connectedVMs: report.connectedVMs,
    ...(health.info === undefined ? {} : foundStatus(health.info)),
    ...conditionsOf(provider, { ready: verdictOf(report, provider), available: verdictOf(report, provider), nowMs }),
    ...(health.checkedMs === undefined ? {} : { lastHealthCheck: formatTime(new Date(health.checkedMs)) }),
  };
  const ageMs = nowMs - Date.parse(old.lastHealthCheck ?? "");
  const isStale = !(ageMs < refreshMs);
  return isStale || !isDeepStrictEqual(lasting(old), lasting(status)) ? status : old;
}

function verdictOf({ health, nextCheckMs }: { health: ProviderHealth; nextCheckMs?: number }, provider: Provider) {
  const { endpoint } = provider.spec;
  switch (health.verdict) {
    case "healthy":
      return {
        status: "True",
        reason: "Connected",
        message: `Connected to ${health.info?.hostname ?? endpoint}`,
      } as const;
    case "unknown":
      return { status: "Unknown", reason: "Connecting", message: `Connecting to ${endpoint}` } as const;
    case "unhealthy": {
      const every =
        nextCheckMs === undefined ? undefined : formatDuration(nextCheckMs - (health.checkedMs ?? nextCheckMs));
      const next = every === undefined ? "" : `; tried again every ${every}, and at once when it connects`;
      const cause = health.error?.message ?? "no answer";
      return { status: "False", reason: reasonOf(health.error?.code), message: `${cause}${next}` } as const;
    }
  }
  throw new TypeError(`Unknown verdict: ${JSON.stringify(health.verdict satisfies never)}`);
}

function reasonOf(code: ProviderErrorCode | undefined): string {
  switch (code) {
    case "Unauthorized":
      return "Unauthorized";
    case "Timeout":
      return "Timeout";
    case "Unsupported":
    case "InvalidSpec":
      return code;
    case "NotFound":
    case "AlreadyExists":
    case "Conflict":
    case "NoSpace":
    case "Internal":
      return "ProviderError";
    case "Unavailable":
    case undefined:
      return "Unreachable";
  }
  throw new TypeError(`Unknown code: ${JSON.stringify(code satisfies never)}`);
}

interface Verdict {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

function conditionsOf(
  provider: Provider,
  { ready, available, nowMs }: { readonly ready: Verdict; readonly available: Verdict; readonly nowMs: number },
): Pick<ProviderStatus, "conditions" | "observedGeneration"> {
  const { generation } = provider.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const now = new Date(nowMs);
  const first = setCondition(provider.status?.conditions, { type: "Ready", ...ready, ...observed }, { now });
  return {
    conditions: setCondition(first, { type: "ProviderAvailable", ...available, ...observed }, { now }),
    ...observed,
  };
}

function foundStatus(info: HypervisorInfo): Partial<ProviderStatus> {
  const { capabilities, storage } = info;
  const usedBytes = storage.totalBytes - storage.availableBytes;
  return {
    version: info.version,
    acceleration: { ...info.acceleration },
    host: {
      hostname: info.hostname,
      architecture: info.architecture,
      cpus: info.cpus,
      memoryBytes: info.memoryBytes,
      freeMemoryBytes: info.freeMemoryBytes,
    },
    capabilities: [
      "VirtualMachines",
      "DiskManagement",
      ...(capabilities.serialConsole ? (["ConsoleAccess"] as const) : []),
    ],
    reportedCapabilities: {
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
