// The VMTemplate controller: keeps copies of the disks of a machine, and what its spec said, so that others can be made of it. The disks lie
// on the hypervisor as those of a VM would, under the template's own identity, and never have a domain.

import {
  forceDeleteAnnotation,
  parseDuration,
  VirtualMachine,
  VMSnapshot,
  VMTemplate,
  vmTemplateFinalizer,
} from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager, ReconcileRequest } from "@vivarium/runtime";
import { ObjectNews } from "../object-news.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { BaseSnapshots } from "../vm-clone/base-snapshots.ts";
import { baseRecordOf } from "../vm-clone/clone-base.ts";
import { resolveMachine, resolveSnapshot } from "../vm-clone/clone-source.ts";
import type { ResolvedSource } from "../vm-clone/clone-source.ts";
import { linkedTo } from "../vm-clone/clone-users.ts";
import { sourceObjectsOf } from "../vm-clone/source-objects.ts";
import { decideTemplate } from "./vm-template-plan.ts";
import type { TemplateInput, TemplateSituation, TemplateStep } from "./vm-template-plan.ts";
import { connectionOfTemplate, identityOfTemplate, templateRecordOf } from "./vm-template-record.ts";
import type { TemplateRecord } from "./vm-template-record.ts";
import { templateStatusOf } from "./vm-template-status.ts";

export interface VmTemplateControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const removalDeadlineMs = 300_000;

export function createVmTemplateController({ manager, providers, clock }: VmTemplateControllerOptions): Controller {
  const templates = manager.cache(VMTemplate);
  const machines = manager.cache(VirtualMachine);
  const copies = new ObjectTasks<readonly ClonedDisk[], CloneProgress>(clock);
  const removals = new ObjectTasks<void, never>(clock);
  const bases = new BaseSnapshots(manager);
  const objects = sourceObjectsOf(manager);

  interface Look {
    readonly input: TemplateInput;
    readonly record: TemplateRecord;
    readonly source: ResolvedSource;
  }

  function observe(object: VMTemplate): Look {
    const { metadata } = object;
    const record = templateRecordOf(object);
    const source = sourceOf(object, record);
    const request = requestOf(object);
    const isOver = record.stage === "made" || record.stage === "failed" || metadata.deletionTimestamp !== undefined;
    return {
      record,
      source,
      input: {
        nowMs: clock.now(),
        isDeleting: metadata.deletionTimestamp !== undefined,
        hasFinalizer: metadata.finalizers?.includes(vmTemplateFinalizer) ?? false,
        isForcedDelete: metadata.annotations?.[forceDeleteAnnotation] === "true",
        stage: record.stage,
        isPlaced: object.status?.provider !== undefined,
        source: source.state,
        copy: copies.state(request),
        removal: removals.state(request),
        usedBy: linkedTo(metadata, machines.list()),
        hasIdleBase: isOver && bases.isIdle(object, record.snapshot),
      },
    };
  }

  function sourceOf({ metadata, spec }: VMTemplate, { snapshot }: TemplateRecord): ResolvedSource {
    const { namespace = "default" } = metadata;
    const { vmRef, snapshotRef } = spec.source;
    const subject = { recorded: snapshot, objects };
    if (vmRef !== undefined && snapshotRef === undefined) return resolveMachine({ namespace, ...vmRef }, subject);
    if (snapshotRef !== undefined && vmRef === undefined)
      return resolveSnapshot({ namespace, ...snapshotRef }, subject);
    const message = "spec.source: expected one of vmRef and snapshotRef";
    return { state: { kind: "wrong", reason: "InvalidSpec", message }, copy: "none", name: "" };
  }

  async function act(
    object: VMTemplate,
    step: OwnStep<TemplateStep>,
    { look, signal }: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<void> {
    const { record, source } = look;
    const preparing = { kind: "Preparing", message: "The source is looked at" } as const;
    switch (step.kind) {
      case "TakeBase": {
        const { vmRef } = object.spec.source;
        const base = source.snapshot ?? (await bases.take(object, vmRef?.name ?? "", { signal }));
        const next: TemplateRecord = { ...record, snapshot: baseRecordOf(base) };
        await write(object, { ...look, record: next }, { situation: preparing, signal });
        break;
      }
      case "RecordCopying":
        await write(object, { ...look, record: { ...record, stage: "copying" } }, { situation: preparing, signal });
        break;
      case "Copy":
        copy(object, source);
        break;
      case "RecordMade": {
        const made = { disks: step.disks.map((disk) => ({ ...disk })), ...placeOf(source) };
        const next: TemplateRecord = { ...record, stage: "made" };
        await write(object, { ...look, record: next }, { situation: { kind: "Ready" }, signal, made });
        await copies.stop(requestOf(object));
        tell(object, "Normal", "TemplateReady", `Made from ${source.name}`);
        break;
      }
      case "ReleaseBase":
        if (record.snapshot !== undefined) await bases.release(object, record.snapshot, { signal });
        break;
      case "Fail": {
        const { reason, message } = step;
        const next: TemplateRecord = { ...record, stage: "failed", failure: { reason, message } };
        await write(object, { ...look, record: next }, { situation: { kind: "Failed" }, signal });
        tell(object, "Warning", reason, message);
        break;
      }
      case "StopCopy":
        await copies.stop(requestOf(object));
        break;
      case "Remove":
        remove(object, source);
    }
  }

  /** Where it lies, and what the source is at this moment. */
  function placeOf({ origin }: ResolvedSource): Partial<NonNullable<VMTemplate["status"]>> {
    if (origin === undefined) return {};
    const { provider, host, spec, labels } = origin;
    return {
      provider: `${provider.namespace}/${provider.name}`,
      ...(host === undefined ? {} : { host }),
      machine: { spec, labels },
    };
  }

  function copy(object: VMTemplate, { from }: ResolvedSource): void {
    const timeoutMs = parseDuration(object.spec.timeout ?? "1h");
    copies.start(
      requestOf(object),
      async ({ signal, report }) => {
        const role = from && providers.get(from.connection)?.clones;
        if (from === undefined || role === undefined) {
          throw new ProviderError("Unavailable", "The source's Provider is not connected, or has no clones");
        }
        const request = { method: "full", source: from.source } as const;
        return role.create(identityOfTemplate(object), request, { signal, onProgress: report });
      },
      { timeoutMs, timeoutError: new ProviderError("Timeout", `Not copied within ${timeoutMs / 1000} s`) },
    );
  }

  function remove(object: VMTemplate, { from }: ResolvedSource): void {
    removals.start(
      requestOf(object),
      async ({ signal }) => {
        const connection = connectionOfTemplate(object) ?? from?.connection;
        const disks = connection && providers.get(connection)?.disks;
        if (disks === undefined)
          throw new ProviderError("Unavailable", "The Provider that it lies on is not connected");
        await disks.remove(identityOfTemplate(object), { signal });
      },
      {
        timeoutMs: removalDeadlineMs,
        timeoutError: new ProviderError("Timeout", `Not removed within ${removalDeadlineMs / 1000} s`),
      },
    );
  }

  async function write(
    object: VMTemplate,
    { record, source, input }: Look,
    {
      situation,
      signal,
      made,
    }: {
      readonly situation: TemplateSituation;
      readonly signal: AbortSignal;
      readonly made?: Partial<NonNullable<VMTemplate["status"]>>;
    },
  ): Promise<void> {
    const status = templateStatusOf(object, {
      situation,
      record,
      sourceName: source.name,
      snapshot: bases.find(object, record.snapshot),
      usedBy: input.usedBy,
      nowMs: clock.now(),
    });
    // Where it may have been begun, so that it is found again.
    const place = record.stage === "copying" ? placeOf(source) : {};
    await writeStatus(
      manager.client,
      { type: VMTemplate, object, status: { ...status, ...place, ...made } },
      { signal },
    );
  }

  function tell(object: VMTemplate, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(object, { type, reason, message });
  }

  const machineNews = new ObjectNews<VirtualMachine>(({ metadata, status }) => [metadata.labels, status?.domain]);
  const snapshotNews = new ObjectNews<VMSnapshot>(({ status }) => [status?.phase, status?.message]);

  return {
    name: "vm-template",
    for: VMTemplate,
    related: [
      related(VirtualMachine, (vm) => {
        if (!machineNews.isNews(vm) && vm.metadata.deletionTimestamp === undefined) return [];
        return templates.list().map(requestOf);
      }),
      related(VMSnapshot, (snapshot) => {
        if (!snapshotNews.isNews(snapshot) && snapshot.metadata.deletionTimestamp === undefined) return [];
        return templates
          .list({ namespace: snapshot.metadata.namespace ?? "" })
          .filter((each) => {
            const { stage } = templateRecordOf(each);
            return stage === "none" || stage === "copying";
          })
          .map(requestOf);
      }),
    ],
    sources: [copies.source, removals.source],
    reconcile: reconcileInSteps<VMTemplate, Look, OwnStep<TemplateStep>, TemplateSituation>(
      {
        type: VMTemplate,
        finalizer: vmTemplateFinalizer,
        observe,
        decide: ({ input }) => decideTemplate(input),
        act,
        report: (object, { situation, look, signal }) => write(object, look, { situation, signal }),
        end: (request) => stopAll(request),
      },
      { manager, clock },
    ),
  };

  async function stopAll(request: ReconcileRequest): Promise<void> {
    for (const tasks of [copies, removals]) await tasks.stop(request);
  }
}
