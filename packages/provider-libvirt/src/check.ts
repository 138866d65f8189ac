// Refuses what this host cannot run, before anything is touched, and says what would have to change.

import { ProviderError } from "@vivarium/provider";
import type { VmDefinition } from "@vivarium/provider";
import { overlaySetting, parseOverlay } from "./domain/overlay.ts";
import { maxCpusOf } from "./domain/size.ts";
import type { HostFacts } from "./host-facts.ts";
import { refusalOfNic } from "./nics/check-nic.ts";
import type { NicCheckParts, Refusal } from "./nics/check-nic.ts";

export interface CheckParts extends Omit<NicCheckParts, "hostname"> {
  readonly facts: HostFacts;
  readonly allowsOverlay: boolean;
}

export async function checkDefinition(definition: VmDefinition, parts: CheckParts): Promise<void> {
  refuseOverlay(definition, parts);
  const refusal = refusalByFacts(definition, parts.facts) ?? (await refusalByNetworks(definition, parts));
  if (refusal === undefined) return;
  throw new ProviderError(refusal.code, `Cannot run VM "${definition.identity.name}": ${refusal.why}`);
}

/** Before anything is made; what libvirt's own schema refuses besides is found when the domain is defined, which then stays as it was. */
function refuseOverlay({ extraConfig, identity }: VmDefinition, { allowsOverlay }: CheckParts): void {
  const overlay = extraConfig?.[overlaySetting];
  if (overlay === undefined) return;
  if (!allowsOverlay) {
    const message = `Cannot use extraConfig "${overlaySetting}" for VM "${identity.name}": its Provider has no spec.allowDomainOverlay`;
    throw new ProviderError("Unsupported", message);
  }
  parseOverlay(overlay);
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
  if (definition.tpm && !capabilities.tpm)
    return unsupported("has no TPM emulator (packages swtpm and swtpm-tools: viv setup --tpm)");
  if (definition.nestedVirtualization && !capabilities.nestedVirtualization) {
    return unsupported(`has no nested virtualization (${facts.acceleration.reason})`);
  }
  const sizing = refusalBySize(definition, facts);
  if (sizing !== undefined) return sizing;
  const nic = definition.networks.find(({ model }) => !capabilities.networkModels.includes(model));
  if (nic !== undefined) {
    return unsupported(
      `has no NIC model "${nic.model}" (NIC "${nic.name}"); it has ${capabilities.networkModels.join(", ")}`,
    );
  }
  return undefined;
}

/** What running a VM takes of the host besides the guest's own memory. */
const overheadBytes = 128 * 2 ** 20;
/** As the kernel has it. */
const shares = { least: 2, most: 262_144 };

function refusalBySize(definition: VmDefinition, facts: HostFacts): Refusal | undefined {
  const { cpu, limits } = definition;
  const invalid = (why: string): Refusal => ({ code: "InvalidSpec", why });
  if (cpu?.model !== undefined && !facts.cpuModels.includes(cpu.model)) {
    const kind = facts.acceleration.kind === "kvm" ? "under KVM" : "under emulation";
    const why = `host "${facts.hostname}" has no CPU model "${cpu.model}" ${kind}; it has ${facts.cpuModels.join(", ")}`;
    return { code: "Unsupported", why };
  }
  if (cpu?.topology !== undefined) {
    const { sockets, cores, threads } = cpu.topology;
    const places = sockets * cores * threads;
    const most = maxCpusOf(definition, facts);
    if (places !== most) return invalid(`its CPU topology has ${places} places, expected ${most}, one for each CPU`);
  }
  if (limits?.cpuShares !== undefined && (limits.cpuShares < shares.least || limits.cpuShares > shares.most)) {
    return invalid(`CPU shares are ${limits.cpuShares}, expected ${shares.least} to ${shares.most}`);
  }
  if (limits?.memoryBytes !== undefined && limits.memoryBytes < definition.memoryBytes + overheadBytes) {
    // The kernel would kill it.
    const least = inMiB(definition.memoryBytes + overheadBytes);
    return invalid(
      `its memory limit is ${inMiB(limits.memoryBytes)}, expected ${least} or more, or the guest is killed`,
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
