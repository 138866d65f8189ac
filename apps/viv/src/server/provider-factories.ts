// Every kind of hypervisor that this build can use, by `Provider.spec.type`.

import { createSimulatedHosts, type ProviderFactory } from "@vivarium/provider";
import { createLibvirtProviderFactory } from "@vivarium/provider-libvirt";
import type { Logger } from "pino";
import type { StateDir } from "../state-dir.ts";
import { fileMemo } from "./file-memo.ts";

export function providerFactories(stateDir: StateDir, logger: Logger): ReadonlyMap<string, ProviderFactory> {
  const factories = [createLibvirtProviderFactory({ logger, memo: fileMemo(stateDir.memo) }), createSimulatedHosts()];
  return new Map(factories.map((factory) => [factory.type, factory]));
}
