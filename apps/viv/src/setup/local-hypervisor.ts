// Asks this host's libvirt who it is, the way the server does.

import { createLibvirtProviderFactory } from "@vivarium/provider-libvirt";
import type { HypervisorInfo } from "@vivarium/provider";
import { pino } from "pino";
import { fileMemo } from "../server/file-memo.ts";
import type { StateDir } from "../state-dir.ts";

const timeoutMs = 60_000;

export async function describeLocalHypervisor(stateDir: StateDir): Promise<HypervisorInfo> {
  const factory = createLibvirtProviderFactory({ logger: pino({ level: "silent" }), memo: fileMemo(stateDir.memo) });
  const provider = factory.open({ endpoint: "qemu:///system", credentials: {}, pool: "vivarium", timeoutMs });
  try {
    return await provider.describe({ signal: AbortSignal.timeout(timeoutMs) });
  } finally {
    await provider.close();
  }
}
