// What a machine is besides its size, disks and interfaces: room to grow, limits, CPU, and what follows when it crashes or the host starts.
// Pure.

import type { VirtualMachine, VMClass } from "@vivarium/api";
import type { ResourceLimits, VmDefinition } from "@vivarium/provider";
import { quantityOf } from "./disks.ts";
import type { AddProblem } from "./disks.ts";
import { isOnWanted } from "../plan/run-state-plan.ts";

type Hardware = Pick<
  VmDefinition,
  "maxCpus" | "maxMemoryBytes" | "limits" | "cpu" | "startsOnBoot" | "onCrash" | "extraConfig"
>;

/** Of a machine that can grow and whose class does not say how far. */
const growth = 4;
const mostCpus = 128;

export function hardwareOf(
  { spec }: VirtualMachine,
  vmClass: VMClass | undefined,
  {
    cpus,
    memoryBytes,
    providerType,
    add,
  }: {
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly providerType: string | undefined;
    readonly add: AddProblem;
  },
): Hardware {
  const performance = vmClass?.spec.performanceProfile;
  const label = `VMClass "${vmClass?.metadata.name ?? ""}" spec`;
  const limits = vmClass && limitsOf(vmClass, label, add);
  const maxMemory =
    performance?.maxMemory === undefined
      ? undefined
      : quantityOf(performance.maxMemory, `${label}.performanceProfile.maxMemory`, add);
  const { cpuModel: model, cpuTopology: topology } = performance ?? {};
  const { crashPolicy } = spec.lifecycle ?? {};
  return {
    ...(performance?.cpuHotAddEnabled === true
      ? { maxCpus: Math.max(cpus, performance.maxCpu ?? Math.min(cpus * growth, mostCpus)) }
      : {}),
    ...(performance?.memoryHotAddEnabled === true
      ? { maxMemoryBytes: Math.max(memoryBytes, maxMemory ?? memoryBytes * growth) }
      : {}),
    ...(limits === undefined || Object.keys(limits).length === 0 ? {} : { limits }),
    ...(model === undefined && topology === undefined
      ? {}
      : { cpu: { ...(model === undefined ? {} : { model }), ...(topology === undefined ? {} : { topology }) } }),
    // A machine that shall be off is not started by the host either.
    ...(spec.startOnBoot === true && isOnWanted(spec.powerState ?? "On") ? { startsOnBoot: true } : {}),
    ...(crashPolicy === undefined ? {} : { onCrash: crashWords[crashPolicy] }),
    ...extraConfigOf(vmClass, providerType),
  };
}

/** A setting belongs to the type of provider that its name begins with. */
function extraConfigOf(vmClass: VMClass | undefined, type: string | undefined): Pick<Hardware, "extraConfig"> {
  if (type === undefined) return {};
  const own = Object.entries(vmClass?.spec.extraConfig ?? {}).filter(([name]) => name.startsWith(`${type}.`));
  return own.length === 0 ? {} : { extraConfig: Object.fromEntries(own) };
}

const crashWords = { Restart: "restart", Preserve: "preserve", Destroy: "destroy" } as const;

function limitsOf({ spec }: VMClass, label: string, add: AddProblem): ResourceLimits {
  const { cpuShares, cpuLimit, memoryLimit } = spec.resourceLimits ?? {};
  const memoryBytes =
    memoryLimit === undefined ? undefined : quantityOf(memoryLimit, `${label}.resourceLimits.memoryLimit`, add);
  return {
    ...(cpuShares === undefined ? {} : { cpuShares }),
    ...(cpuLimit === undefined ? {} : { cpuMhz: cpuLimit }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}
