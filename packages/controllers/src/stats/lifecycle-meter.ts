// What was done to virtual machines on their hypervisors, under the names that dashboards for this API already know, each with a histogram of
// its duration. What the calls of a provider mean as operations is one table, here.

import { errorsTotal } from "@vivarium/runtime";
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** An operation, by the metric that counts it. */
type Operation =
  | { readonly metric: "vm_operations"; readonly operation: "Create" | "Delete" | "Power" | "Describe" | "Reconfigure" }
  | { readonly metric: "vm_reconfigure" }
  | { readonly metric: "vm_snapshot"; readonly action: "create" | "revert" | "delete" }
  | { readonly metric: "vm_clone"; readonly linked: "true" | "false" }
  | { readonly metric: "vm_image_prepare" }
  | { readonly metric: "vm_migrate" };

const metrics = {
  vm_operations: { help: "Operations on machines, as asked of their hypervisor.", labels: ["operation", "provider"] },
  vm_reconfigure: { help: "Changes of machines that are there: processors, memory, disks, interfaces.", labels: [] },
  vm_snapshot: { help: "Snapshots made, reverted to and deleted.", labels: ["action"] },
  vm_clone: { help: "Clones made.", labels: ["linked"] },
  vm_image_prepare: { help: "Images brought to a hypervisor.", labels: [] },
  vm_migrate: { help: "Machines moved to another host, or copied to another Provider.", labels: [] },
} as const;

const reconfigure = [
  { metric: "vm_reconfigure" },
  { metric: "vm_operations", operation: "Reconfigure" },
] as const satisfies readonly Operation[];
const power = [{ metric: "vm_operations", operation: "Power" }] as const satisfies readonly Operation[];

const operations: Readonly<Record<string, readonly Operation[]>> = {
  "compute.define": [{ metric: "vm_operations", operation: "Create" }],
  "compute.undefine": [{ metric: "vm_operations", operation: "Delete" }],
  "compute.observe": [{ metric: "vm_operations", operation: "Describe" }],
  "compute.start": power,
  "compute.requestShutdown": power,
  "compute.forceOff": power,
  "runState.pause": power,
  "runState.resume": power,
  "runState.suspend": power,
  "runState.requestReboot": power,
  "runState.reset": power,
  "sizing.addCpus": reconfigure,
  "sizing.setMemory": reconfigure,
  "sizing.setLimits": reconfigure,
  "hotplug.attachDisk": reconfigure,
  "hotplug.requestDetach": reconfigure,
  "hotplug.tuneDisk": reconfigure,
  "hotplug.growDisk": reconfigure,
  "nics.attachNic": reconfigure,
  "nics.requestNicDetach": reconfigure,
  "nics.tuneNic": reconfigure,
  "snapshots.create": [{ metric: "vm_snapshot", action: "create" }],
  "snapshots.revert": [{ metric: "vm_snapshot", action: "revert" }],
  "snapshots.remove": [{ metric: "vm_snapshot", action: "delete" }],
  "images.import": [{ metric: "vm_image_prepare" }],
  "migration.move": [{ metric: "vm_migrate" }],
  "migration.exportDisks": [{ metric: "vm_migrate" }],
};

export interface Asked {
  readonly providerType: string;
  readonly provider: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface LifecycleMeter {
  /** Called when a call begins; the result when it ends. */
  begin(asked: Asked): (end: { readonly code: string; readonly seconds: number }) => void;
}

export function lifecycleMeter(registry: Registry): LifecycleMeter {
  const registers = [registry];
  const kept = Object.fromEntries(
    Object.entries(metrics).map(([name, { help, labels }]) => {
      const labelNames = [...labels, "provider_type", "outcome"];
      const seconds = `virtrigaud_${name.replace(/operations$/, "operation")}_duration_seconds`;
      return [
        name,
        {
          total: new Counter({ name: `virtrigaud_${name}_total`, help, labelNames, registers }),
          seconds: new Histogram({ name: seconds, help: `${help} Duration.`, labelNames, buckets, registers }),
        },
      ];
    }),
  );
  const errors = errorsTotal(registry);
  const inflight = new Gauge({
    name: "virtrigaud_provider_tasks_inflight",
    help: "Calls of a provider that go on.",
    labelNames: ["provider_type", "provider"],
    registers,
  });
  return {
    begin(asked) {
      const provider = { provider_type: asked.providerType, provider: asked.provider };
      inflight.inc(provider);
      return ({ code, seconds }) => {
        inflight.dec(provider);
        const outcome = code === "OK" ? "success" : "error";
        if (code !== "OK" && code !== "Canceled") errors.inc({ reason: reasonOf(code), component: "provider" });
        for (const { metric, ...own } of operationsOf(asked)) {
          const named = metric === "vm_operations" ? provider : { provider_type: asked.providerType };
          const labels = { ...own, ...named, outcome };
          kept[metric]?.total.inc(labels);
          kept[metric]?.seconds.observe(labels, seconds);
        }
      };
    },
  };
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

function operationsOf({ method, args }: Asked): readonly Operation[] {
  if (method === "clones.create") {
    const isLinked = args.some(
      (arg) => typeof arg === "object" && arg !== null && "method" in arg && arg.method === "linked",
    );
    return [{ metric: "vm_clone", linked: isLinked ? "true" : "false" }];
  }
  return operations[method] ?? [];
}

/** `NoSpace` → `provider-no-space`. */
function reasonOf(code: string): string {
  return `provider${code.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
