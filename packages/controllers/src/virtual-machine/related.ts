// Which VirtualMachines a change elsewhere concerns, so that a VM heals when what it lacked appears, without polling. Changes that only
// touch the status of a shared object (counters, health checks, progress) ask for no look at VMs that are well.

import {
  ConfigMap,
  findCondition,
  Host,
  Provider,
  Secret,
  StoragePool,
  VirtualMachine,
  VirtualNetwork,
  VMClass,
  VMClone,
  VMImage,
  VMNetworkAttachment,
  VMPlacementPolicy,
  VMSnapshot,
  Volume,
} from "@vivarium/api";
import type { Condition, KubeObject } from "@vivarium/api";
import { related } from "@vivarium/runtime";
import type { Cache, ReconcileRequest, RelatedWatch } from "@vivarium/runtime";
import { cloudInitSecretsOf, sshKeysConfigMap } from "../cloud-init.ts";
import { ObjectNews } from "../object-news.ts";
import { requestOf } from "../request-of.ts";
import { effectiveProvider } from "../effective-provider.ts";
import { keyOf } from "./resolve/definition.ts";
import { virtualNetworkOf } from "./resolve/virtual-network.ts";
import { refersTo } from "../volume-resolve.ts";

export function relatedToVirtualMachines(
  machines: Cache<VirtualMachine>,
  attachments: Cache<VMNetworkAttachment>,
): readonly RelatedWatch<never>[] {
  const waiting = machines.index((vm) => (isWaiting(vm) ? ["waiting"] : []));
  const waitingForAddress = machines.index((vm) => (isWaitingForAddress(vm) ? ["waiting"] : []));
  const allWaiting = (): readonly ReconcileRequest[] => waiting.of("waiting").map(requestOf);

  /** Of each object the generation whose change was passed on; without one, the version. */
  const seen = new Map<string, string>();

  /** Of the status of what many machines share: a count of them that moves with each one must not wake all that wait. */
  const readyNews = new ObjectNews<KubeObject & { readonly status?: { readonly conditions?: readonly Condition[] } }>(
    ({ status }) => status?.conditions?.map(({ type, status: is, reason }) => [type, is, reason]),
  );

  const volumeNews = new ObjectNews<Volume>(({ status }) => [status?.phase, status?.record]);

  const poolNews = new ObjectNews<StoragePool>(
    ({ status }) => findCondition(status?.conditions, "CapacityLow")?.status,
  );

  const networkNews = new ObjectNews<VirtualNetwork>(({ spec, status }) => [
    spec.adopt,
    findCondition(status?.conditions, "Ready")?.status,
  ]);
  const machineNews = new ObjectNews<VirtualMachine>(({ metadata }) => metadata.generation);

  const cloneNews = new ObjectNews<VMClone>(({ status }) => status?.phase);

  const snapshotNews = new ObjectNews<VMSnapshot>(({ status, spec }) => [
    status?.phase,
    status?.record,
    spec.retentionPolicy?.deleteOnVMDelete,
  ]);

  const hostNews = new ObjectNews<Host>(({ metadata, spec, status }) => [
    metadata.labels,
    spec,
    status?.allocatable,
    status?.allocatedByOthers,
    findCondition(status?.conditions, "Ready")?.status,
  ]);

  function isNews(object: KubeObject): boolean {
    const { uid = "", generation, resourceVersion = "" } = object.metadata;
    const now = generation === undefined ? resourceVersion : String(generation);
    if (seen.get(uid) === now) return false;
    seen.set(uid, now);
    return true;
  }

  function concerned(object: KubeObject, names: (vm: VirtualMachine) => boolean): readonly ReconcileRequest[] {
    const isReadyNews = readyNews.isNews(object);
    if (isNews(object)) return machines.list().filter(names).map(requestOf);
    return isReadyNews ? waiting.of("waiting").filter(names).map(requestOf) : [];
  }

  return [
    related(VMClass, (object) =>
      concerned(object, (vm) => vm.spec.classRef !== undefined && isSame(object, keyOf(vm, vm.spec.classRef))),
    ),
    related(VMImage, (object) =>
      machines.list().flatMap((vm) => {
        const isMine = vm.spec.imageRef !== undefined && isSame(object, keyOf(vm, vm.spec.imageRef));
        // Once the domain exists the image does not matter.
        return isMine && vm.status?.domain === undefined ? [requestOf(vm)] : [];
      }),
    ),
    related(VMClone, (object) => {
      const isGone = object.metadata.deletionTimestamp !== undefined;
      if (!cloneNews.isNews(object) && !isGone) return [];
      const { name, namespace = object.metadata.namespace ?? "" } = object.spec.target;
      const vm = machines.get({ namespace, name });
      return vm === undefined || vm.status?.domain !== undefined ? [] : [requestOf(vm)];
    }),
    related(VMNetworkAttachment, (object) =>
      concerned(object, (vm) =>
        (vm.spec.networks ?? []).some(
          (nic) => nic.networkRef !== undefined && isSame(object, keyOf(vm, nic.networkRef)),
        ),
      ),
    ),
    // Whoever has the address that another one wants may have let go of it.
    related(VirtualMachine, (object) =>
      machineNews.isNews(object) ? waitingForAddress.of("waiting").map(requestOf) : [],
    ),
    related(VirtualNetwork, (object) =>
      networkNews.isNews(object)
        ? machines.list().flatMap((vm) => {
            const keys = (vm.spec.networks ?? []).map((nic) =>
              virtualNetworkOf(vm, nic, (key) => attachments.get(key)),
            );
            return keys.some((key) => key !== undefined && isSame(object, key)) ? [requestOf(vm)] : [];
          })
        : [],
    ),
    related(Volume, (object) =>
      volumeNews.isNews(object) ? machines.list().flatMap((vm) => (refersTo(vm, object) ? [requestOf(vm)] : [])) : [],
    ),
    related(VMSnapshot, (object) => {
      const { namespace = "", deletionTimestamp } = object.metadata;
      if (!snapshotNews.isNews(object) && deletionTimestamp === undefined) return [];
      const vm = machines.get({ namespace, name: object.spec.vmRef.name });
      return vm === undefined ? [] : [requestOf(vm)];
    }),
    related(StoragePool, (object) => (poolNews.isNews(object) ? allWaiting() : [])),
    related(Secret, (object) => concerned(object, (vm) => cloudInitSecretsOf(vm).some((key) => isSame(object, key)))),
    related(ConfigMap, (object) =>
      isSame(object, sshKeysConfigMap) ? concerned(object, (vm) => vm.status?.domain === undefined) : [],
    ),
    // A host that became ready, larger, or schedulable may take what no host could.
    related(Host, (object) => (hostNews.isNews(object) ? allWaiting() : [])),
    related(VMPlacementPolicy, (object) =>
      concerned(object, (vm) => vm.spec.placementRef !== undefined && isSame(object, keyOf(vm, vm.spec.placementRef))),
    ),
    related(Provider, (object) =>
      concerned(object, (vm) => {
        const madeOn = vm.status?.provider?.["madeOn"];
        if (madeOn === `${object.metadata.namespace ?? ""}/${object.metadata.name}`) return true;
        const effective = effectiveProvider(vm, [object]);
        return effective.kind === "found" && isSame(object, effective.key);
      }),
    ),
  ];
}

/** Not as it shall be, so any news may be what it waits for. */
function isWaiting(vm: VirtualMachine): boolean {
  if (vm.metadata.deletionTimestamp !== undefined) return true;
  const ready = findCondition(vm.status?.conditions, "Ready");
  return ready?.status !== "True" && vm.status?.phase !== "Running";
}

function isWaitingForAddress(vm: VirtualMachine): boolean {
  return ["Ready", "NetworksAttached"].some(
    (type) => findCondition(vm.status?.conditions, type)?.reason === "AddressInUse",
  );
}

function isSame(object: KubeObject, key: { readonly namespace: string; readonly name: string }): boolean {
  return object.metadata.name === key.name && (object.metadata.namespace ?? "") === key.namespace;
}
