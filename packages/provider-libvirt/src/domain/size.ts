// How large a domain is, and how large it can become while it runs. Pure.

import type { VmDefinition } from "@vivarium/provider";
import { element } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** What bounds a guest's growth. */
export interface HostSize {
  readonly memoryBytes: number;
  readonly maxVcpus: number;
  readonly cpuMhz: number;
}

/** Room for CPUs, as far as the host gives a guest that many; never less than the VM has. */
export function maxCpusOf({ cpus, maxCpus = cpus }: VmDefinition, host: HostSize): number {
  return Math.max(cpus, Math.min(maxCpus, host.maxVcpus));
}

/**
 * A guest that can grow is started with all that it may get, and its balloon takes away what it shall not have yet. QEMU takes memory from the
 * host only as the guest touches it.
 */
export function sizeElements(definition: VmDefinition, host: HostSize): readonly XmlElement[] {
  const { memoryBytes, maxMemoryBytes = memoryBytes, cpus } = definition;
  const memoryKib = Math.ceil(memoryBytes / 1024);
  const maxKib = Math.max(memoryKib, Math.ceil(Math.min(maxMemoryBytes, host.memoryBytes) / 1024));
  const maxCpus = maxCpusOf(definition, host);
  return [
    element("memory", { unit: "KiB" }, String(maxKib)),
    ...(maxKib === memoryKib ? [] : [element("currentMemory", { unit: "KiB" }, String(memoryKib))]),
    element("vcpu", { placement: "static", ...(maxCpus === cpus ? {} : { current: cpus }) }, String(maxCpus)),
  ];
}
