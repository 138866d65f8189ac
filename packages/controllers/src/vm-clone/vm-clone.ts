// The VMClone controller: makes the VirtualMachine of each VMClone object, and the disks that it begins with.
//
//   source, snapshot, target ──┐
//   work in the background ────┼─► observe ─► decide (vm-clone-plan.ts) ─► act one step ─┐
//   time ──────────────────────┘      ▲                                                 │
//                                     └─────────────── until Settle ◄───────────────────┘

import {
  cloneWishOf,
  Namespace,
  VirtualMachine,
  VMClone,
  vmCloneFinalizer,
  VMImage,
  VMSnapshot,
  VMTemplate,
} from "@vivarium/api";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import { related } from "@vivarium/runtime";
import type { Clock, Controller, Manager } from "@vivarium/runtime";
import { ObjectNews } from "../object-news.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { BaseSnapshots } from "./base-snapshots.ts";
import { lookAtClone } from "./clone-look.ts";
import type { CloneLook, CloneParts } from "./clone-look.ts";
import { reportClone } from "./clone-report.ts";
import { takeCloneStep } from "./clone-steps.ts";
import { sourceObjectsOf } from "./source-objects.ts";
import { decideClone } from "./vm-clone-plan.ts";
import type { CloneSituation, CloneStep } from "./vm-clone-plan.ts";
import { cloneRecordOf } from "./vm-clone-record.ts";

export interface VmCloneControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const mostSteps = 30;
/** Many clones of one source come at once; each is a handful of quick calls. */
const concurrency = 8;

export function createVmCloneController({ manager, providers, clock }: VmCloneControllerOptions): Controller {
  const clones = manager.cache(VMClone);
  const tasks = new ObjectTasks<readonly ClonedDisk[], CloneProgress>(clock);
  const parts: CloneParts = {
    manager,
    providers,
    clock,
    tasks,
    bases: new BaseSnapshots(manager),
    objects: sourceObjectsOf(manager),
    namespaces: manager.cache(Namespace),
  };
  const machineNews = new ObjectNews<VirtualMachine>(({ metadata, status }) => [
    metadata.labels,
    metadata.annotations,
    status?.domain,
    status?.powerState,
    status?.message,
    status?.provider?.["madeOn"],
  ]);
  const templateNews = new ObjectNews<VMTemplate>(({ status }) => status?.phase);
  const snapshotNews = new ObjectNews<VMSnapshot>(({ status }) => [status?.phase, status?.message]);

  return {
    name: "vm-clone",
    for: VMClone,
    concurrency,
    related: [
      related(VirtualMachine, (vm) => {
        if (!machineNews.isNews(vm) && vm.metadata.deletionTimestamp === undefined) return [];
        const { namespace = "", name } = vm.metadata;
        return clones
          .list()
          .filter((clone) => concernsMachine(clone, { namespace, name }))
          .map(requestOf);
      }),
      related(VMSnapshot, (snapshot) => {
        if (!snapshotNews.isNews(snapshot) && snapshot.metadata.deletionTimestamp === undefined) return [];
        const { namespace = "", name } = snapshot.metadata;
        return clones
          .list({ namespace })
          .filter(
            (clone) => cloneRecordOf(clone).snapshot?.name === name || clone.spec.source?.snapshotRef?.name === name,
          )
          .map(requestOf);
      }),
      related(VMTemplate, (template) =>
        templateNews.isNews(template)
          ? clones
              .list()
              .filter((clone) => cloneRecordOf(clone).stage === "none" && clone.spec.source?.templateRef !== undefined)
              .map(requestOf)
          : [],
      ),
      related(VMImage, (image) =>
        clones
          .list()
          .filter(
            (clone) =>
              cloneRecordOf(clone).stage === "none" && clone.spec.source?.imageRef?.name === image.metadata.name,
          )
          .map(requestOf),
      ),
    ],
    sources: [tasks.source],
    reconcile: reconcileInSteps<VMClone, CloneLook, OwnStep<CloneStep>, CloneSituation>(
      {
        type: VMClone,
        finalizer: vmCloneFinalizer,
        mostSteps,
        observe: (object) => lookAtClone(parts, object),
        decide: ({ input }) => decideClone(input),
        act: (object, step, options) => takeCloneStep(parts, object, { step, ...options }),
        report: (object, options) => reportClone(parts, object, options),
        end: (request) => tasks.stop(request),
      },
      { manager, clock },
    ),
  };
}

/** As its source while it is not made, or as its target. */
function concernsMachine(clone: VMClone, { namespace, name }: { readonly namespace: string; readonly name: string }) {
  const { source, target } = cloneWishOf(clone);
  if (target.namespace === namespace && target.name === name) return true;
  const isSource = source?.kind === "vm" && source.name === name && clone.metadata.namespace === namespace;
  return isSource && cloneRecordOf(clone).stage === "none";
}
