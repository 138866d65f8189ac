// What machines and volumes take of a ResourceQuota: CPUs, memory and disk as declared, running or not. The size of a machine follows from
// its VMClass and from what it says itself.

import { formatQuantity, parseQuantity, VirtualMachine, VMClass, Volume } from "@vivarium/api";
import type { MeasuredUsage, ReadObject, UsageEvaluator } from "@vivarium/apiserver";

const cpu = "requests.cpu";
const memory = "requests.memory";
const storage = "requests.storage";
const gib = 1024 ** 3;
const rootName = "root";

export const usageEvaluators: readonly UsageEvaluator[] = [
  {
    group: VirtualMachine.group,
    plural: VirtualMachine.plural,
    names: [cpu, memory, storage],
    usageOf: (object, read) => machineUsage(object as VirtualMachine, read),
  },
  {
    group: Volume.group,
    plural: Volume.plural,
    names: [storage],
    async usageOf(object) {
      const { spec, status } = object as Volume;
      const size = spec.size ?? status?.capacityBytes;
      return size === undefined ? {} : { [storage]: size };
    },
  },
];

async function machineUsage({ metadata, spec }: VirtualMachine, read: ReadObject): Promise<MeasuredUsage> {
  const { classRef, resources } = spec;
  const vmClass =
    classRef === undefined
      ? undefined
      : ((await read({
          group: VMClass.group,
          plural: VMClass.plural,
          namespace: classRef.namespace ?? metadata.namespace ?? "",
          name: classRef.name,
        })) as VMClass | undefined);
  const cpus = resources?.cpu ?? vmClass?.spec.cpu;
  const memorySize = resources?.memoryMiB === undefined ? vmClass?.spec.memory : `${resources.memoryMiB}Mi`;
  const disks = diskBytes(spec, vmClass);
  return {
    ...(cpus !== undefined && { [cpu]: cpus }),
    ...(memorySize !== undefined && { [memory]: memorySize }),
    ...(disks !== undefined && { [storage]: disks }),
  };
}

/** Undefined when the size of the root disk follows from its image alone: then nothing can be said before it is there. */
function diskBytes(spec: VirtualMachine["spec"], vmClass: VMClass | undefined): string | undefined {
  const disks = spec.disks ?? [];
  const root = disks.find((disk) => disk.name === rootName)?.sizeGiB ?? spec.importedDisk?.sizeGiB;
  const rootBytes = root === undefined ? quantityBytes(vmClass?.spec.diskDefaults?.size) : root * gib;
  if (rootBytes === undefined) return undefined;
  // A disk that is a Volume counts as that.
  const data = disks.filter((disk) => disk.name !== rootName && disk.volumeRef === undefined);
  return formatQuantity(data.reduce((sum, disk) => sum + (disk.sizeGiB ?? 0) * gib, rootBytes));
}

function quantityBytes(quantity: string | number | undefined): number | undefined {
  return quantity === undefined ? undefined : parseQuantity(quantity);
}
