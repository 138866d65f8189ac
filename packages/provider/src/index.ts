// The provider contract: what the controllers ask of a hypervisor, free of any hypervisor; and a simulated one for tests.

export * from "./provider.ts";
export * from "./run-state.ts";
export * from "./screen.ts";
export * from "./sizing.ts";
export * from "./storage.ts";
export * from "./stats.ts";
export * from "./nics.ts";
export * from "./guest.ts";
export * from "./host.ts";
export * from "./image-backups.ts";
export * from "./layers.ts";
export * from "./adoption.ts";
export * from "./clones.ts";
export * from "./network.ts";
export * from "./subnet.ts";
export * from "./snapshots.ts";
export * from "./migration.ts";
export * from "./provider-error.ts";
export * from "./clock.ts";
export * from "./domain-name.ts";
export { createSimulatedHosts } from "./sim/simulated-hosts.ts";
export { createSimulatedHypervisor } from "./sim/simulated-hypervisor.ts";
export type { SimulatedHypervisor, SimulatedOptions } from "./sim/simulated-hypervisor.ts";
export type { SimulatedMethod } from "./sim/faults.ts";
export { providerConformance } from "./provider-conformance.ts";
export type { ConformanceSubject } from "./conformance-parts.ts";
