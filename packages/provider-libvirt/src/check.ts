// Refuses what this host cannot run, before anything is touched, and says what would have to change.

import { ProviderError } from "@vivarium/provider";
import type { VmDefinition } from "@vivarium/provider";
import type { HostFacts } from "./host-facts.ts";
import { refusalOfNic } from "./nics/check-nic.ts";
import type { NicCheckParts, Refusal } from "./nics/check-nic.ts";

export interface CheckParts extends Omit<NicCheckParts, "hostname"> {
  readonly facts: HostFacts;
}

export async function checkDefinition(definition: VmDefinition, parts: CheckParts): Promise<void> {
  const refusal = refusalByFacts(definition, parts.facts) ?? (await refusalByNetworks(definition, parts));
  if (refusal === undefined) return;
  throw new ProviderError(refusal.code, `Cannot run VM "${definition.identity.name}": ${refusal.why}`);
}

/** Pure: what follows from the host's own properties. */
export function refusalByFacts(definition: VmDefinition, facts: HostFacts): Refusal | undefined {
  const { capabilities } = facts;
  const unsupported = (what: string): Refusal => ({ code: "Unsupported", why: `host "${facts.hostname}" ${what}` });
  if (facts.architecture !== "x86_64") return unsupported(`is ${facts.architecture}; only x86_64 guests are built`);
  if (definition.memoryBytes > facts.memoryBytes) {
    const why = `it wants ${inMiB(definition.memoryBytes)} of memory, host "${facts.hostname}" has ${inMiB(facts.memoryBytes)}`;
    return { code: "InvalidSpec", why };
  }
  if (definition.cpus > facts.maxVcpus) {
    const why = `it wants ${definition.cpus} CPUs, host "${facts.hostname}" gives a guest at most ${facts.maxVcpus}`;
    return { code: "InvalidSpec", why };
  }
  if (definition.firmware === "UEFI" && !capabilities.uefi) return unsupported("has no UEFI firmware (package ovmf)");
  if (definition.secureBoot && definition.firmware !== "UEFI") {
    return { code: "InvalidSpec", why: "secure boot needs firmware UEFI" };
  }
  if (definition.secureBoot && !capabilities.secureBoot) return unsupported("has no UEFI firmware with secure boot");
  if (definition.tpm && !capabilities.tpm) return unsupported("has no TPM emulator (package swtpm)");
  if (definition.nestedVirtualization && !capabilities.nestedVirtualization) {
    return unsupported(`has no nested virtualization (${facts.acceleration.reason})`);
  }
  const nic = definition.networks.find(({ model }) => !capabilities.networkModels.includes(model));
  if (nic !== undefined) {
    return unsupported(
      `has no NIC model "${nic.model}" (NIC "${nic.name}"); it has ${capabilities.networkModels.join(", ")}`,
    );
  }
  return undefined;
}

async function refusalByNetworks(definition: VmDefinition, parts: CheckParts): Promise<Refusal | undefined> {
  const refusals = await Promise.all(
    definition.networks.map((nic) => refusalOfNic(nic, { ...parts, hostname: parts.facts.hostname })),
  );
  return refusals.find((refusal) => refusal !== undefined);
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
