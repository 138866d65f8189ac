// Whether a host can be used, in the terms of a condition. Pure.

import { formatDuration } from "@vivarium/api";
import type { ProviderErrorCode } from "@vivarium/provider";
import type { HostHealth } from "./host-health.ts";
import type { Verdict } from "./verdict.ts";

export function verdictOf(
  health: HostHealth,
  { endpoint, nextCheckMs }: { readonly endpoint: string; readonly nextCheckMs?: number },
): Verdict {
  switch (health.verdict) {
    case "healthy": {
      const message = `Connected to ${health.findings?.info.hostname ?? endpoint}`;
      return { status: "True", reason: "Connected", message };
    }
    case "unknown":
      return { status: "Unknown", reason: "Connecting", message: `Connecting to ${endpoint}` };
    case "unhealthy": {
      const every =
        nextCheckMs === undefined ? undefined : formatDuration(nextCheckMs - (health.checkedMs ?? nextCheckMs));
      const next = every === undefined ? "" : `; tried again every ${every}, and at once when it connects`;
      const cause = health.error?.message ?? "no answer";
      return { status: "False", reason: reasonOf(health.error?.code), message: `${cause}${next}` };
    }
  }
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
}
