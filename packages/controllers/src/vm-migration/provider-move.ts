// Carries out the plan of a migration to another Provider.

import { apiVersionOf, VirtualMachine, VMMigration, vmMigrationFinalizer, VMSnapshot } from "@vivarium/api";
import { writeStatus } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import type { SteppedKind } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { sourceOf, tellEnd } from "./migration-parts.ts";
import { termsOf } from "./migration-terms.ts";
import { blockersOf, snapshotOf, targetOf } from "./provider-move-look.ts";
import type { ProviderMoveParts } from "./provider-move-parts.ts";
import { decideProviderMove } from "./provider-move-plan.ts";
import type { ProviderMoveInput, ProviderMoveSituation, ProviderMoveStep } from "./provider-move-plan.ts";
import { providerMoveStatusOf } from "./provider-move-status.ts";
import type { ProviderMoveNews } from "./provider-move-status.ts";
import { cleanUp, startCopy, tellCopied } from "./provider-move-steps.ts";
import { migrationLabel, newMachineOf, targetKeyOf } from "./provider-move-target.ts";
import { migrationRecordOf } from "./vm-migration-record.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

interface Found {
  isClean: boolean;
}

interface Look {
  readonly input: ProviderMoveInput;
  readonly found: Found;
}

type ProviderMoveKind = SteppedKind<VMMigration, Look, OwnStep<ProviderMoveStep>, ProviderMoveSituation>;

export function providerMoveKind(parts: ProviderMoveParts): ProviderMoveKind {
  return {
    type: VMMigration,
    finalizer: vmMigrationFinalizer,
    observe(object, { before }) {
      const found = before?.found ?? { isClean: false };
      return { found, input: inputOf(parts, object, found) };
    },
    decide: ({ input }) => decideProviderMove(input),
    act: (object, step, { look: { found }, signal }) => act(parts, object, { step, found, signal }),
    async report(object, { situation, signal }) {
      // What was told at its end stays.
      if (situation.kind === "Ended") return;
      await write(parts, object, { news: situation, record: migrationRecordOf(object), signal });
    },
    end: (request) => parts.exports.stop(request),
  };
}

function inputOf(parts: ProviderMoveParts, object: VMMigration, found: Found): ProviderMoveInput {
  const { spec } = object;
  const record = migrationRecordOf(object);
  const source = sourceOf(parts, object);
  const isOn = source?.status?.powerState !== "Off";
  const isOffWanted = spec.source.powerOffBeforeMigration === true;
  return {
    ...termsOf(object, record, parts.clock.now()),
    blockers: blockersOf(parts, object, source),
    source: source === undefined ? "absent" : source.status?.domain === undefined ? "unmade" : isOn ? "on" : "off",
    isOffWanted,
    isShutdownDue: isOffWanted && (source?.spec.powerState ?? "On") === "On",
    snapshot: snapshotOf(parts, object, record),
    target: targetOf(parts, object),
    hasCopied: record.hasCopied === true,
    isBootChecked: spec.target.powerOn === true,
    isClean: found.isClean,
    task: parts.exports.state(requestOf(object)),
  };
}

async function act(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    step,
    found,
    signal,
  }: { readonly step: OwnStep<ProviderMoveStep>; readonly found: Found; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, exports } = parts;
  const { namespace = "", name, uid = "" } = object.metadata;
  const source = sourceOf(parts, object);
  const record = migrationRecordOf(object);
  switch (step.kind) {
    case "ShutDown":
      await manager.client.mergePatch(
        VirtualMachine,
        { namespace, name: object.spec.source.vmRef.name },
        { spec: { powerState: "OffGraceful" } },
        { signal },
      );
      return;
    case "TakeSnapshot": {
      const given = object.spec.source.snapshotRef?.name;
      const snapshot =
        given === undefined ? { name: `${name}-${uid.slice(0, 8)}`, isOurs: true } : { name: given, isOurs: false };
      const key = { namespace, name: snapshot.name };
      if (snapshot.isOurs && parts.snapshots.get(key) === undefined) {
        await manager.client.create(
          VMSnapshot,
          {
            apiVersion: apiVersionOf(VMSnapshot),
            kind: VMSnapshot.kind,
            metadata: { ...key, labels: { [migrationLabel]: uid } },
            spec: {
              vmRef: object.spec.source.vmRef,
              description: "Taken for a migration; it goes with it.",
              snapshotConfig: { method: "External" },
            },
          },
          { signal },
        );
      }
      const next = { ...record, stage: "moving", machine: source?.metadata.uid ?? "", snapshot } as const;
      await write(parts, object, { news: { kind: "Snapshot", name: snapshot.name }, record: next, signal });
      return;
    }
    case "CreateTarget":
      if (source !== undefined) await manager.client.create(VirtualMachine, newMachineOf(object, source), { signal });
      return;
    case "Copy":
      startCopy(parts, object, record);
      return;
    case "StopWork":
      await exports.stop(requestOf(object));
      return;
    case "RecordCopied":
      await tellCopied(parts, object, { disks: step.disks, signal });
      await write(parts, object, {
        news: { kind: "Copied", disks: step.disks },
        record: { ...record, hasCopied: true },
        signal,
      });
      return;
    case "CleanUp":
      await cleanUp(parts, object, { record, keepsTarget: step.keepsTarget, signal });
      found.isClean = true;
      return;
    case "End": {
      const { outcome } = step;
      await exports.stop(requestOf(object));
      await write(parts, object, { news: { kind: "End", outcome }, record: { ...record, stage: "ended" }, signal });
      tellEnd(parts, object, outcome.kind);
    }
  }
}

async function write(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    news,
    record,
    signal,
  }: { readonly news: ProviderMoveNews; readonly record: MigrationRecord; readonly signal: AbortSignal },
): Promise<void> {
  const current =
    parts.migrations.get({ namespace: object.metadata.namespace ?? "", name: object.metadata.name }) ?? object;
  const next = { ...record, startedAtMs: record.startedAtMs ?? parts.clock.now() };
  const id = parts.machines.get(targetKeyOf(object))?.status?.id;
  const status = providerMoveStatusOf(current, {
    news,
    record: next,
    nowMs: parts.clock.now(),
    ...(id === undefined ? {} : { targetId: id }),
  });
  await writeStatus(parts.manager.client, { type: VMMigration, object: current, status }, { signal });
}
