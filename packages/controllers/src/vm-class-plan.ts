// What a VMClass asks for, and what each provider says to that. Pure.

import type { Provider, VMClass, VMClassSpec } from "@vivarium/api";
import { humanSize } from "./human-size.ts";
import { readAmount } from "./read-amount.ts";

export interface ClassVerdict {
  readonly status: "True" | "False";
  readonly reason: "Valid" | "InvalidSpec" | "Unsupported";
  readonly message: string;
}

export interface ProviderVerdict {
  readonly isValid: boolean;
  readonly message?: string;
  readonly warnings: readonly string[];
}

const smallestMemoryBytes = 64 * 1024 ** 2;

/** Whether machines of this class can be made at all. */
export function classVerdict(spec: VMClassSpec): ClassVerdict {
  const unsupported = unsupportedClassFields(spec);
  if (unsupported.length > 0) {
    return { status: "False", reason: "Unsupported", message: `This build cannot honour ${unsupported.join(", ")}` };
  }
  const problems = invalidFields(spec);
  if (problems.length > 0) return { status: "False", reason: "InvalidSpec", message: problems.join("; ") };
  const ignored = classFieldsNotApplied(spec);
  const note = ignored.length === 0 ? "" : `; not applied: ${ignored.join(", ")}`;
  return { status: "True", reason: "Valid", message: `Machines of this class can be made${note}` };
}

/** Whether this provider can run it; undefined while nothing is known of the provider. */
export function providerVerdict(vmClass: VMClass, provider: Provider): ProviderVerdict | undefined {
  const { host, reportedCapabilities: can } = provider.status ?? {};
  if (host === undefined || can === undefined) return undefined;
  const { cpu, memory, firmware, securityProfile, performanceProfile } = vmClass.spec;
  const wanted = readAmount(memory, { field: "spec.memory" });
  const memoryBytes = wanted.ok ? wanted.value : undefined;
  const lacks: string[] = [];
  if (cpu > host.cpus) lacks.push(`${cpu} CPUs wanted, the host has ${host.cpus}`);
  if (memoryBytes !== undefined && memoryBytes > host.memoryBytes) {
    lacks.push(`${humanSize(memoryBytes)} of memory wanted, the host has ${humanSize(host.memoryBytes)}`);
  }
  if ((firmware ?? "BIOS") !== "BIOS" && can.supportsUEFI === false) lacks.push("it has no UEFI firmware");
  if (securityProfile?.secureBoot === true && can.supportsSecureBoot === false) lacks.push("it has no secure boot");
  if (securityProfile?.tpmEnabled === true && can.supportsTPM === false) lacks.push("it has no emulated TPM");
  if (performanceProfile?.nestedVirtualization === true && can.supportsNestedVirtualization === false) {
    lacks.push("it has no nested virtualization");
  }
  const isTight = memoryBytes !== undefined && memoryBytes > host.memoryBytes * 0.9 && memoryBytes <= host.memoryBytes;
  return {
    isValid: lacks.length === 0,
    ...(lacks.length === 0 ? {} : { message: lacks.join("; ") }),
    warnings: isTight ? ["one machine takes almost all of the host's memory"] : [],
  };
}

function invalidFields(spec: VMClassSpec): readonly string[] {
  const problems: string[] = [];
  for (const [field, quantity] of [
    ["spec.memory", spec.memory],
    ["spec.diskDefaults.size", spec.diskDefaults?.size],
    ["spec.resourceLimits.memoryLimit", spec.resourceLimits?.memoryLimit],
    ["spec.performanceProfile.maxMemory", spec.performanceProfile?.maxMemory],
  ] as const) {
    if (quantity === undefined) continue;
    const amount = readAmount(quantity, { field });
    if (!amount.ok) problems.push(amount.message);
    else if (field === "spec.memory" && amount.value < smallestMemoryBytes) {
      problems.push(`spec.memory is ${humanSize(amount.value)}, expected ${humanSize(smallestMemoryBytes)} or more`);
    }
  }
  const { maxCpu, cpuTopology } = spec.performanceProfile ?? {};
  if (maxCpu !== undefined && maxCpu < spec.cpu) {
    problems.push(`spec.performanceProfile.maxCpu is ${maxCpu}, expected spec.cpu (${spec.cpu}) or more`);
  }
  if (cpuTopology !== undefined && spec.performanceProfile?.cpuHotAddEnabled === true && maxCpu === undefined) {
    problems.push("spec.performanceProfile.cpuTopology needs maxCpu where CPUs can be added");
  }
  if (spec.securityProfile?.secureBoot === true && (spec.firmware ?? "BIOS") === "BIOS") {
    problems.push("spec.securityProfile.secureBoot needs spec.firmware UEFI, found BIOS");
  }
  return problems;
}

/** Fields that would change what a machine is: refused. */
function unsupportedClassFields({ securityProfile: security }: VMClassSpec): readonly string[] {
  return fieldsSet([
    ["spec.securityProfile.vtdEnabled", security?.vtdEnabled === true],
    ["spec.securityProfile.encryptionPolicy.requireEncryption", security?.encryptionPolicy?.requireEncryption === true],
    ["spec.securityProfile.tpmVersion 1.2", security?.tpmEnabled === true && security.tpmVersion === "1.2"],
  ]);
}

/** Fields that machines can do without: they are made, and the class says what is not applied. */
function classFieldsNotApplied(spec: VMClassSpec): readonly string[] {
  const { performanceProfile: performance, securityProfile: security, diskDefaults: disk } = spec;
  return fieldsSet([
    ["spec.resourceLimits.cpuReservation", (spec.resourceLimits?.cpuReservation ?? 0) > 0],
    ["spec.resourceLimits.memoryReservation", spec.resourceLimits?.memoryReservation !== undefined],
    ["spec.diskDefaults.iops", disk?.iops !== undefined],
    ["spec.diskDefaults.storageClass", disk?.storageClass !== undefined],
    ["spec.performanceProfile.latencySensitivity", (performance?.latencySensitivity ?? "normal") !== "normal"],
    ["spec.performanceProfile.virtualizationBasedSecurity", performance?.virtualizationBasedSecurity === true],
    ["spec.performanceProfile.hyperThreadingPolicy", (performance?.hyperThreadingPolicy ?? "auto") !== "auto"],
    ["spec.securityProfile.encryptionPolicy", security?.encryptionPolicy?.enabled === true],
  ]);
}

function fieldsSet(fields: readonly (readonly [string, boolean])[]): readonly string[] {
  return fields.flatMap(([field, isSet]) => (isSet ? [field] : []));
}
