// Simulated hypervisors for a whole server: each endpoint is a host of its own, and all are on one storage, so that machines can be placed
// among them and moved. What is on them is gone with the process.

import type { ProviderFactory } from "../provider.ts";
import { createSimulatedHypervisor } from "./simulated-hypervisor.ts";
import type { SimulatedHypervisor } from "./simulated-hypervisor.ts";

export function createSimulatedHosts(): ProviderFactory {
  const hosts = new Map<string, SimulatedHypervisor>();
  let first: SimulatedHypervisor | undefined;
  return {
    type: "sim",
    open({ endpoint }) {
      const host =
        hosts.get(endpoint) ??
        createSimulatedHypervisor({
          keepsCalls: false,
          ...(first === undefined ? {} : { sharesStorageWith: first }),
        });
      first ??= host;
      hosts.set(endpoint, host);
      return host.open();
    },
  };
}
