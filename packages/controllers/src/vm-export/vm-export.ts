// The VMExport controller: makes a VMImage or a file of a machine's root disk.
//
//   machine ─► VMTemplate (a full copy on the hypervisor) ─► file on the server, compressed, compared ─► booted once (trial.ts)
//           ─► VMImage, or kept to be fetched
//
// Each arrow ends with a record of it, so that a server that was killed goes on where it was; what was unfinished is made anew.

import {
  cloneBaseLabel,
  parseDuration,
  isStatus,
  VirtualMachine,
  VMClass,
  VMExport,
  vmExportFinalizer,
  VMImage,
  VMSnapshot,
  VMTemplate,
} from "@vivarium/api";
import type { KubeObject } from "@vivarium/api";
import type { ExportedFile, ExportProgress, ImageCache, ImageExports } from "@vivarium/images";
import { ProviderError } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager, ReconcileRequest } from "@vivarium/runtime";
import { ignoring } from "../ignoring.ts";
import { ObjectNews } from "../object-news.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { ObserveOptions } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { connectionOfTemplate, identityOfTemplate } from "../vm-template/vm-template-record.ts";
import { trialImageOf, trialMachineOf, trialName, trialSourceOf, viewTrial } from "./trial.ts";
import type { TrialState } from "./trial.ts";
import { copyName, copyOf, hardwareOf, imageOf, isImageOf } from "./exported-objects.ts";
import { decideExport } from "./vm-export-plan.ts";
import type { ExportInput, ExportSituation, ExportStep } from "./vm-export-plan.ts";
import { exportRecordOf } from "./vm-export-record.ts";
import type { ExportRecord } from "./vm-export-record.ts";
import { keptUntilMs, situationOf, targetOf, viewCopy, viewMachine } from "./vm-export-views.ts";
import { exportStatusOf, formatOf } from "./vm-export-status.ts";

export interface VmExportControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly imageExports: ImageExports;
  readonly imageCache: Pick<ImageCache, "forget">;
  readonly clock: Clock;
}

const rootDisk = "root";
/** Of a machine that went before it was looked at. */
const unknownHardware: NonNullable<ExportRecord["hardware"]> = { cpus: 1, memoryMiB: 1024, firmware: "BIOS", nics: [] };

export function createVmExportController(options: VmExportControllerOptions): Controller {
  const { manager, providers, imageExports, imageCache, clock } = options;
  const { client, recorder } = manager;
  const exported = manager.cache(VMExport);
  const machines = manager.cache(VirtualMachine);
  const templates = manager.cache(VMTemplate);
  const images = manager.cache(VMImage);
  const classes = manager.cache(VMClass);
  const snapshots = manager.cache(VMSnapshot);
  const writings = new ObjectTasks<ExportedFile, ExportProgress>(clock);

  interface Look {
    readonly input: ExportInput;
    readonly record: ExportRecord;
    readonly machine: VirtualMachine | undefined;
    readonly template: VMTemplate | undefined;
  }

  async function observe(object: VMExport, { done, signal }: ObserveOptions<Look>): Promise<Look> {
    const { metadata, spec } = object;
    const { namespace = "" } = metadata;
    const record = exportRecordOf(object);
    const trial = await lookAtTrial(object, { record, done, signal });
    const copy = viewCopy(template(object));
    const machine = machines.get({ namespace, name: spec.vmRef.name });
    const { imageName } = spec.target;
    const image = imageName === undefined ? undefined : images.get({ namespace, name: imageName });
    const isOurs = image !== undefined && record.file !== undefined && isImageOf(image, record.file);
    return {
      record,
      machine,
      template: template(object),
      input: {
        nowMs: clock.now(),
        isDeleting: metadata.deletionTimestamp !== undefined,
        hasFinalizer: metadata.finalizers?.includes(vmExportFinalizer) ?? false,
        stage: record.stage,
        target: targetOf(object),
        keptUntilMs: keptUntilMs(object),
        isLive: spec.live === true,
        mustStart: record.restart !== undefined,
        machine: viewMachine(machine),
        isDiskHeld: isBaseLeft(object),
        // The news of its deletion come.
        copy: done.has("DeleteCopy") ? { kind: "going" } : copy,
        verify: spec.verify?.by ?? "Boot",
        trial,
        trialStartsUntilMs: (record.writtenMs ?? clock.now()) + timeoutOf(object),
        bootTimeoutMs: parseDuration(spec.verify?.timeout ?? "15m"),
        writing: writings.state(requestOf(object)),
        image: image === undefined ? "none" : isOurs ? "ours" : "other",
      },
    };
  }

  function template(object: VMExport): VMTemplate | undefined {
    return templates.get({ namespace: object.metadata.namespace ?? "", name: copyName(object) });
  }

  /** The guest is asked only while that matters. */
  async function lookAtTrial(
    object: VMExport,
    { record, done, signal }: { readonly record: ExportRecord } & Pick<ObserveOptions<Look>, "done" | "signal">,
  ): Promise<TrialState> {
    const key = { namespace: object.metadata.namespace ?? "", name: trialName(object) };
    const found = { image: images.get(key), machine: machines.get(key) };
    if (found.machine !== undefined && done.has("DeleteTrialMachine"))
      return { kind: "machine", is: { kind: "going" } };
    if (found.image !== undefined && done.has("DeleteTrialImage")) return { kind: "image", isGoing: true };
    const isAsked = record.stage === "written" && record.on !== undefined;
    return viewTrial(object, { ...found, provider: isAsked ? providers.get(record.on) : undefined }, { signal });
  }

  function isBaseLeft({ metadata: { namespace = "" }, spec }: VMExport): boolean {
    return snapshots
      .list({ namespace })
      .some(
        ({ metadata, spec: { vmRef } }) => vmRef.name === spec.vmRef.name && cloneBaseLabel in (metadata.labels ?? {}),
      );
  }

  async function act(
    object: VMExport,
    step: OwnStep<ExportStep>,
    { look, signal }: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<void> {
    const { record, machine } = look;
    const { namespace = "" } = object.metadata;
    const { restart, ...started } = record;
    const copying = { kind: "Copying", message: "The disks are about to be copied", percentage: 0 } as const;
    const remember = (next: ExportRecord, situation: ExportSituation): Promise<void> =>
      write(object, { ...look, record: next }, { situation, signal });
    switch (step.kind) {
      case "RecordStopping": {
        const isToRun = look.input.machine.kind === "there" && look.input.machine.wish === "run";
        const before = isToRun ? { restart: machine?.spec.powerState ?? "On" } : {};
        return remember({ ...record, ...before, stage: "stopping" }, { kind: "Stopping" });
      }
      case "StopMachine":
        return setPower(machine, "OffGraceful", signal);
      case "RecordCopying":
        return remember({ ...record, ...hardwareNow(machine), stage: "copying" }, copying);
      case "CreateCopy":
        await create(VMTemplate, copyOf(object), signal);
        return;
      case "RecordWriting":
        return remember({ ...record, ...placeOf(look.template), stage: "writing" }, { kind: "Compressing" });
      case "StartMachine":
        return setPower(machine, restart ?? "On", signal);
      case "RecordStarted":
        return remember(started, situationOf(record));
      case "Write":
        return startWriting(object, look);
      case "RecordWritten": {
        const next = { ...record, stage: "written", file: step.file, writtenMs: clock.now() } as const;
        await remember(next, { kind: "Verifying", message: "It was compared with the disk" });
        return writings.stop(requestOf(object));
      }
      case "CreateTrial":
        return createTrial(object, look, signal);
      case "RecordVerified": {
        const message =
          step.sign === undefined
            ? "It holds what the disk held, and its digest was read again; no machine was made of it"
            : `It holds what the disk held, and a machine of it came up without a network: ${step.sign}`;
        const reason = step.sign === undefined ? "Compared" : "Booted";
        const next = { ...record, stage: "verified", verified: { status: "True", reason, message } } as const;
        return remember(next, { kind: "Verifying", message });
      }
      case "DeleteTrialMachine":
        return ignoring("NotFound", client.delete(VirtualMachine, { namespace, name: trialName(object) }, { signal }));
      case "DeleteTrialImage":
        // An image that is registered is read from there as well.
        if (look.input.target !== "image" || record.stage !== "verified" || look.input.isDeleting) {
          await forgetCached(record);
        }
        return ignoring("NotFound", client.delete(VMImage, { namespace, name: trialName(object) }, { signal }));
      case "Register": {
        const { imageName: name } = object.spec.target;
        if (record.file === undefined || name === undefined)
          throw new TypeError("An image that is registered has a name and a file");
        const source = images.get({ namespace, name: machine?.spec.imageRef?.name ?? "" });
        await create(VMImage, imageOf(object, { name, file: record.file, source }), signal);
        return;
      }
      case "RecordRegistered":
        await remember({ ...record, stage: "registered" }, { kind: "Succeeded", isThere: true });
        return tell(object, "Normal", "Exported", `VMImage "${object.spec.target.imageName ?? ""}" is registered`);
      case "RecordKept":
        await remember({ ...record, stage: "kept" }, { kind: "Succeeded", isThere: true });
        return tell(object, "Normal", "Exported", "The file is made");
      case "DropFile": {
        await removeFile(object, record);
        const { file: _, ...rest } = record;
        return remember({ ...rest, stage: "dropped" }, { kind: "Succeeded", isThere: false });
      }
      case "DeleteCopy":
        return ignoring("NotFound", client.delete(VMTemplate, { namespace, name: copyName(object) }, { signal }));
      case "Fail":
        return fail(object, look, { reason: step.reason, message: step.message, signal });
    }
  }

  async function fail(
    object: VMExport,
    look: Look,
    { signal, ...failure }: { readonly reason: string; readonly message: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const { record } = look;
    await writings.stop(requestOf(object));
    await imageExports.remove(object.metadata.uid ?? "");
    // What is cached of it goes with the trial.
    const isOfTrial = failure.reason === "BootFailed" || failure.reason === "BootTimeout";
    const next: ExportRecord = {
      ...record,
      stage: "failed",
      failure,
      ...(isOfTrial ? { verified: { status: "False", ...failure } } : {}),
    };
    await write(object, { ...look, record: next }, { situation: { kind: "Failed" }, signal });
    tell(object, "Warning", failure.reason, failure.message);
  }

  async function createTrial(object: VMExport, look: Look, signal: AbortSignal): Promise<void> {
    const { record } = look;
    if (record.file === undefined) throw new TypeError("An export that is written has a file");
    try {
      await create(VMImage, trialImageOf(object, record.file), signal);
      await create(VirtualMachine, trialMachineOf(object, record), signal);
    } catch (error) {
      // There is no room for another machine, or a policy forbids it.
      if (!isStatus(error, "Forbidden") && !isStatus(error, "Invalid")) throw error;
      const message = `A machine of it cannot be made: ${error.message}`;
      await fail(object, look, { reason: "BootFailed", message, signal });
    }
  }

  async function removeFile(object: VMExport, record: ExportRecord): Promise<void> {
    await imageExports.remove(object.metadata.uid ?? "");
    await forgetCached(record);
  }

  async function forgetCached({ file }: ExportRecord): Promise<void> {
    if (file !== undefined) await imageCache.forget(trialSourceOf(file));
  }

  /** Made by an earlier try that did not live to record it: the cache will have it shortly. */
  async function create<T extends VMTemplate | VMImage | VirtualMachine>(
    type: Parameters<typeof client.create<T>>[0],
    object: T,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await client.create(type, object, { signal });
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
      const { namespace = "", name } = object.metadata;
      manager.cache(type).observe(await client.get(type, { namespace, name }, { signal }));
    }
  }

  async function setPower(
    machine: VirtualMachine | undefined,
    powerState: NonNullable<ExportRecord["restart"]>,
    signal: AbortSignal,
  ): Promise<void> {
    if (machine === undefined) return;
    const { namespace = "", name } = machine.metadata;
    await client.mergePatch(VirtualMachine, { namespace, name }, { spec: { powerState } }, { signal });
  }

  function hardwareNow(machine: VirtualMachine | undefined): Pick<ExportRecord, "hardware" | "classRef"> {
    if (machine === undefined) return {};
    const { namespace = "" } = machine.metadata;
    const { name = "", namespace: classNamespace = namespace } = machine.spec.classRef ?? {};
    const { classRef } = machine.spec;
    return {
      hardware: hardwareOf(machine, classes.get({ namespace: classNamespace, name })),
      ...(classRef === undefined ? {} : { classRef }),
    };
  }

  function startWriting(object: VMExport, { template, record }: Look): void {
    const { uid = "" } = object.metadata;
    const shape = {
      format: formatOf(object),
      machine: { ...(record.hardware ?? unknownHardware), name: object.spec.vmRef.name },
    };
    const timeoutMs = timeoutOf(object);
    writings.start(
      requestOf(object),
      async ({ signal, report }) => {
        const connection = template && connectionOfTemplate(template);
        const clones = connection && providers.get(connection)?.clones;
        if (template === undefined || clones === undefined) {
          throw new ProviderError("Unavailable", "The Provider that the copy lies on is not connected");
        }
        const file = await clones.read(identityOfTemplate(template), rootDisk, { signal });
        return imageExports.write(uid, file, { ...shape, signal, onProgress: report });
      },
      { timeoutMs, timeoutError: new ProviderError("Timeout", `Not compressed within ${timeoutMs / 1000} s`) },
    );
  }

  async function write(
    object: VMExport,
    { record, template }: Look,
    { situation, signal }: { readonly situation: ExportSituation; readonly signal: AbortSignal },
  ): Promise<void> {
    const consistency = template?.status?.consistency;
    const status = exportStatusOf(object, { situation, record, consistency, nowMs: clock.now() });
    await writeStatus(client, { type: VMExport, object, status }, { signal });
  }

  function tell(object: VMExport, type: "Normal" | "Warning", reason: string, message: string): void {
    recorder.record(object, { type, reason, message });
  }

  const machineNews = new ObjectNews<VirtualMachine>(({ spec, status }) => [spec.powerState, status?.powerState]);

  return {
    name: "vm-export",
    for: VMExport,
    related: [
      related(VirtualMachine, (vm) => [
        ...ownersOf(vm),
        ...(machineNews.isNews(vm) || isGoing(vm) ? ofMachine(vm) : []),
      ]),
      related(VMTemplate, ownersOf),
      related(VMImage, (image) => [...ownersOf(image), ...ofImage(image)]),
    ],
    sources: [writings.source],
    reconcile: reconcileInSteps<VMExport, Look, OwnStep<ExportStep>, ExportSituation>(
      {
        type: VMExport,
        finalizer: vmExportFinalizer,
        observe,
        decide: ({ input }) => decideExport(input),
        act,
        report: (object, { situation, look, signal }) => write(object, look, { situation, signal }),
        async end(request, object) {
          await writings.stop(request);
          if (object !== undefined) await removeFile(object, exportRecordOf(object));
        },
      },
      { manager, clock },
    ),
  };

  function ofMachine({ metadata: { namespace = "", name } }: VirtualMachine): readonly ReconcileRequest[] {
    return exported
      .list({ namespace })
      .filter(({ spec }) => spec.vmRef.name === name)
      .map(requestOf);
  }

  function ofImage({ metadata: { namespace = "", name } }: VMImage): readonly ReconcileRequest[] {
    return exported
      .list({ namespace })
      .filter(({ spec }) => spec.target.imageName === name)
      .map(requestOf);
  }
}

/** Where what is made of the copy is booted, too. */
function placeOf(template: VMTemplate | undefined): Pick<ExportRecord, "on"> {
  const on = template && connectionOfTemplate(template);
  return on === undefined ? {} : { on };
}

function ownersOf({ metadata }: KubeObject): readonly ReconcileRequest[] {
  return (metadata.ownerReferences ?? [])
    .filter(({ kind }) => kind === VMExport.kind)
    .map(({ name }) => ({ namespace: metadata.namespace ?? "", name }));
}

function timeoutOf({ spec }: VMExport): number {
  return parseDuration(spec.timeout ?? "2h");
}

function isGoing({ metadata }: VirtualMachine): boolean {
  return metadata.deletionTimestamp !== undefined;
}
