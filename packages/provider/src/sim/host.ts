// The machine below the simulated hypervisor.

import type { HostRole } from "../host.ts";
import { isOn, sizeOf } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";

export function simulatedHost({ world, gate }: SimulatedParts): HostRole {
  return {
    details: (options) =>
      gate.run("host.details", {
        options,
        act: () => ({ uuid: world.hostUuid, cpuModel: "sim", versions: { hypervisor: "sim 1" } }),
      }),
    domains: (options) =>
      gate.run("host.domains", {
        options,
        act: () =>
          [...world.domains.values()].map((domain) => ({
            uid: domain.uid,
            name: domain.name,
            isOn: isOn(domain),
            ...sizeOf(domain),
          })),
      }),
  };
}
