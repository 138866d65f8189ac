// The VMExport controller: makes a VMImage or a file of a machine's root disk.
//
//   machine ─► VMTemplate (a full copy on the hypervisor) ─► file on the server, compressed, compared ─► VMImage, or kept to be fetched
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
import type { ExportedFile, ExportProgress, ImageExports } from "@vivarium/images";
import { ProviderError } from "@vivarium/provider";
import { ensureFinalizer, related, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { BackgroundTasks } from "../background-tasks.ts";
import { ignoring } from "../ignoring.ts";
import { ObjectNews } from "../object-news.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { connectionOfTemplate, identityOfTemplate } from "../vm-template/vm-template-record.ts";
import { copyName, copyOf, hardwareOf, imageOf, isImageOf } from "./exported-objects.ts";
import { decideExport } from "./vm-export-plan.ts";
import type { ExportInput, ExportSituation, ExportStep } from "./vm-export-plan.ts";
import { exportRecordOf } from "./vm-export-record.ts";
import type { ExportRecord } from "./vm-export-record.ts";
import { exportStatusOf, formatOf } from "./vm-export-status.ts";

export interface VmExportControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly imageExports: ImageExports;
  readonly clock: Clock;
}

const mostSteps = 20;
const deletionLookMs = 2_000;
const rootDisk = "root";
/** Of a machine that went before it was looked at. */
const unknownHardware: NonNullable<ExportRecord["hardware"]> = { cpus: 1, memoryMiB: 1024, firmware: "BIOS", nics: [] };

export function createVmExportController(options: VmExportControllerOptions): Controller {
  const { manager, providers, imageExports, clock } = options;
  const { client, recorder } = manager;
  const exported = manager.cache(VMExport);
  const machines = manager.cache(VirtualMachine);
  const templates = manager.cache(VMTemplate);
  const images = manager.cache(VMImage);
  const classes = manager.cache(VMClass);
  const snapshots = manager.cache(VMSnapshot);
  let wake: (request: ReconcileRequest) => void = () => undefined;
  const tasks = new BackgroundTasks<ExportedFile, ExportProgress>({
    clock,
    onChange: (key) => wake(requestOfKey(key)),
  });

  interface Look {
    readonly input: ExportInput;
    readonly record: ExportRecord;
    readonly machine: VirtualMachine | undefined;
    readonly template: VMTemplate | undefined;
  }

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    for (let count = 0; count < mostSteps; count++) {
      const object = exported.get(request);
      if (object === undefined) {
        await tasks.stop(keyOf(request));
        return undefined;
      }
      const look = observe(object);
      const step = decideExport(look.input);
      if (step.kind === "Settle") {
        if (step.situation.kind === "Gone") return undefined;
        await write(object, look, { situation: step.situation, signal: context.signal });
        return step.lookAgainAtMs === undefined
          ? undefined
          : { requeueAfterMs: Math.max(0, step.lookAgainAtMs - clock.now()) };
      }
      context.log.info({ step: step.kind, export: `${request.namespace}/${request.name}` }, "step");
      await act(object, step, { look, signal: context.signal });
      if (step.kind === "RemoveFinalizer") return undefined;
      // The news of it comes.
      if (step.kind === "DeleteCopy") return { requeueAfterMs: deletionLookMs };
    }
    throw new Error(`Cannot settle VMExport "${request.namespace}/${request.name}": ${mostSteps} steps led nowhere`);
  }

  function observe(object: VMExport): Look {
    const { metadata, spec } = object;
    const { namespace = "" } = metadata;
    const record = exportRecordOf(object);
    const machine = machines.get({ namespace, name: spec.vmRef.name });
    const template = templates.get({ namespace, name: copyName(object) });
    const { imageName } = spec.target;
    const image = imageName === undefined ? undefined : images.get({ namespace, name: imageName });
    const isOurs = image !== undefined && record.file !== undefined && isImageOf(image, record.file);
    return {
      record,
      machine,
      template,
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
        copy: viewCopy(template),
        writing: tasks.state(keyOf(requestOf(object))),
        image: image === undefined ? "none" : isOurs ? "ours" : "other",
      },
    };
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
    step: Exclude<ExportStep, { kind: "Settle" }>,
    { look, signal }: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<void> {
    const { record, machine } = look;
    const { namespace = "", uid = "" } = object.metadata;
    const finalized = { type: VMExport, object, finalizer: vmExportFinalizer };
    const { restart, ...started } = record;
    const copying = { kind: "Copying", message: "The disks are about to be copied", percentage: 0 } as const;
    const remember = (next: ExportRecord, situation: ExportSituation): Promise<void> =>
      write(object, { ...look, record: next }, { situation, signal });
    switch (step.kind) {
      case "AddFinalizer":
        return void (await ensureFinalizer(client, finalized, { signal }));
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
        return remember({ ...record, stage: "writing" }, { kind: "Compressing" });
      case "StartMachine":
        return setPower(machine, restart ?? "On", signal);
      case "RecordStarted":
        return remember(started, situationOf(record));
      case "Write":
        return startWriting(object, look);
      case "RecordWritten":
        await remember({ ...record, stage: "written", file: step.file }, { kind: "Compressing" });
        return tasks.stop(keyOf(requestOf(object)));
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
        await imageExports.remove(uid);
        const { file: _, ...rest } = record;
        return remember({ ...rest, stage: "dropped" }, { kind: "Succeeded", isThere: false });
      }
      case "DeleteCopy":
        return ignoring("NotFound", client.delete(VMTemplate, { namespace, name: copyName(object) }, { signal }));
      case "Fail": {
        const { reason, message } = step;
        await tasks.stop(keyOf(requestOf(object)));
        await imageExports.remove(uid);
        const { file: _, ...rest } = record;
        await remember({ ...rest, stage: "failed", failure: { reason, message } }, { kind: "Failed" });
        return tell(object, "Warning", reason, message);
      }
      case "RemoveFinalizer":
        await tasks.stop(keyOf(requestOf(object)));
        await imageExports.remove(uid);
        await removeFinalizer(client, finalized, { signal });
    }
  }

  /** Made by an earlier try that did not live to record it: the cache will have it shortly. */
  async function create<T extends VMTemplate | VMImage>(
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

  function hardwareNow(machine: VirtualMachine | undefined): Pick<ExportRecord, "hardware"> {
    if (machine === undefined) return {};
    const { namespace = "" } = machine.metadata;
    const { name = "", namespace: classNamespace = namespace } = machine.spec.classRef ?? {};
    return { hardware: hardwareOf(machine, classes.get({ namespace: classNamespace, name })) };
  }

  function startWriting(object: VMExport, { template, record }: Look): void {
    const { uid = "" } = object.metadata;
    const shape = {
      format: formatOf(object),
      machine: { ...(record.hardware ?? unknownHardware), name: object.spec.vmRef.name },
    };
    const timeoutMs = parseDuration(object.spec.timeout ?? "2h");
    tasks.start(
      keyOf(requestOf(object)),
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
      related(VirtualMachine, (vm) => (machineNews.isNews(vm) || isGoing(vm) ? ofMachine(vm) : [])),
      related(VMTemplate, ({ metadata }) =>
        (metadata.ownerReferences ?? [])
          .filter(({ kind }) => kind === VMExport.kind)
          .map(({ name }) => ({ namespace: metadata.namespace ?? "", name })),
      ),
      related(VMImage, ofImage),
    ],
    sources: [
      (enqueue, { signal }) => {
        wake = enqueue;
        signal.addEventListener("abort", () => void tasks.stopAll(), { once: true });
      },
    ],
    reconcile,
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

function targetOf({ spec: { target } }: VMExport): ExportInput["target"] {
  if ((target.imageName === undefined) === (target.file === undefined)) return undefined;
  return target.file === undefined ? "image" : "file";
}

function keptUntilMs({ spec, status }: VMExport): number {
  const since = status?.finishedAt === undefined ? Infinity : Date.parse(status.finishedAt);
  return since + parseDuration(spec.target.file?.keepFor ?? "24h");
}

function isGoing({ metadata }: VirtualMachine): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function viewMachine(machine: VirtualMachine | undefined): ExportInput["machine"] {
  if (machine === undefined) return { kind: "gone" };
  const { spec, status } = machine;
  const isOff = status?.powerState === "Off" || status?.powerState === "Suspended";
  const wish = spec.powerState === "OffGraceful" ? "stop" : spec.powerState === "Off" ? "off" : "run";
  return { kind: "there", isOff, wish };
}

function viewCopy(template: VMTemplate | undefined): ExportInput["copy"] {
  if (template === undefined) return { kind: "none" };
  if (template.metadata.deletionTimestamp !== undefined) return { kind: "going" };
  const { phase, message = "The disks are about to be copied", progress } = template.status ?? {};
  if (phase === "Ready") return { kind: "ready" };
  if (phase === "Failed") return { kind: "failed", message };
  return { kind: "making", message, percentage: progress?.percentage ?? 0 };
}

/** What goes on when the machine has been started again. */
function situationOf({ stage }: ExportRecord): ExportSituation {
  switch (stage) {
    case "failed":
      return { kind: "Failed" };
    case "registered":
    case "kept":
    case "dropped":
      return { kind: "Succeeded", isThere: stage !== "dropped" };
    case "none":
    case "stopping":
    case "copying":
    case "writing":
    case "written":
      return { kind: "Compressing" };
  }
}

function keyOf({ namespace, name }: ReconcileRequest): string {
  return `${namespace}/${name}`;
}

function requestOfKey(key: string): ReconcileRequest {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}
