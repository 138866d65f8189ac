// The operations controller: keeps a record of long work on objects, as their state tells of it, and says when something takes much longer
// than usual. It changes nothing but its records; those that still run are found again after a restart.

import { formatDuration, formatTime, isStatus, Operation, type KubeObject } from "@vivarium/api";
import { related, TokenBuckets } from "@vivarium/runtime";
import type {
  Cache,
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import type { Registry } from "prom-client";
import { ignoring } from "../ignoring.ts";
import { decideOperation, usualMs, type OperationStep, type Track } from "./operation-plan.ts";
import { operationMetrics } from "./operation-metrics.ts";
import { watchedKinds, type WatchedKind, type WorkView } from "./work-views.ts";

interface Tracked extends Track {
  readonly kind: string;
  readonly uid: string;
  /** Name of its Operation. */
  readonly record: string;
  readonly usualMs: number | undefined;
}

/** Kept in each namespace. */
const mostKept = 300;
/** New records of a namespace at once, and then one from time to time: thousands of machines that start together are no news each. */
const burst = { size: 100, refillEveryMs: 1_000 };
const mostSteps = 5;

export function createOperationsController({
  manager,
  clock,
  metrics: registry,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
  readonly metrics?: Registry;
}): Controller {
  const { client, recorder } = manager;
  const records = manager.cache(Operation);
  const runningByObject = records.index((record) => (record.phase === "Running" ? [workedOn(record)] : []));
  const overByNamespace = records.index(({ metadata, phase }) =>
    phase === "Running" ? [] : [metadata.namespace ?? ""],
  );
  const succeededByWork = records.index(({ metadata, object, verb, phase }) =>
    phase === "Succeeded" ? [`${metadata.namespace}/${object.kind}/${verb}`] : [],
  );
  const room = new TokenBuckets(burst);
  const tracks = new Map<string, Tracked>();
  /** Of which objects it is known whether work on them is recorded as running. */
  const known = new Set<string>();
  const metrics = registry && operationMetrics(registry, () => tracks.values());
  const kinds = new Map(
    watchedKinds.map((watched): [string, WatchedKind & { readonly cache: Cache<KubeObject> }] => [
      watched.type.kind,
      { ...watched, cache: manager.cache(watched.type) },
    ]),
  );

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const { namespace } = request;
    const at = request.name.indexOf("/");
    const watched = kinds.get(request.name.slice(0, at));
    if (watched === undefined) return undefined;
    const name = request.name.slice(at + 1);
    const object = watched.cache.get({ namespace, name });
    const key = `${namespace}/${request.name}`;
    if (!known.has(key)) takeUp(key, { namespace, kind: watched.type.kind });
    for (let count = 0; count < mostSteps; count++) {
      const track = tracks.get(key);
      const isGone = object === undefined || (track !== undefined && object.metadata.uid !== track.uid);
      const view = object === undefined ? undefined : watched.view(object);
      const nowMs = clock.now();
      const step = decideOperation({ track, view, isGone, nowMs, usualMs: track?.usualMs });
      if (step.kind === "rest") {
        if (object === undefined) known.delete(key);
        return step.wakeAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, step.wakeAtMs - nowMs) };
      }
      await take(step, { key, track, object, view, name, namespace, kind: watched.type.kind, signal });
    }
    return { requeueAfterMs: 0 };
  }

  /** What was recorded as running before this process began. */
  function takeUp(key: string, { namespace, kind }: { readonly namespace: string; readonly kind: string }): void {
    known.add(key);
    const [record] = runningByObject.of(key);
    if (record === undefined) return;
    tracks.set(key, {
      kind,
      verb: record.verb,
      uid: record.object.uid,
      record: record.metadata.name,
      startMs: Date.parse(record.startTime),
      isRecorded: true,
      isOverdue: record.overdue === true,
      usualMs: usualOf(namespace, { kind, verb: record.verb }),
    });
  }

  interface Situation {
    readonly key: string;
    readonly track: Tracked | undefined;
    readonly object: KubeObject | undefined;
    readonly view: WorkView | undefined;
    readonly namespace: string;
    readonly name: string;
    readonly kind: string;
    readonly signal: AbortSignal;
  }

  async function take(step: Exclude<OperationStep, { kind: "rest" }>, situation: Situation): Promise<void> {
    const { key, track, object, kind, namespace } = situation;
    switch (step.kind) {
      case "begin":
        tracks.set(key, {
          ...step.track,
          kind,
          uid: object?.metadata.uid ?? "",
          record: recordName({ ...step.track, kind, name: situation.name }),
          usualMs: undefined,
        });
        return;
      case "record": {
        if (track === undefined) return;
        const compared = { ...track, usualMs: usualOf(namespace, track) };
        const hasRoom = room.take(namespace, clock.now());
        if (hasRoom) await write(situation, compared, { phase: "Running" });
        tracks.set(key, { ...compared, isRecorded: hasRoom, isLeftOut: !hasRoom });
        return;
      }
      case "overdue":
        if (track === undefined) return;
        await write(situation, track, { phase: "Running", overdue: true });
        tracks.set(key, { ...track, isRecorded: true, isOverdue: true });
        if (object !== undefined) tellOverdue(object, track, situation.view);
        return;
      case "end": {
        if (track === undefined) return;
        const seconds = (clock.now() - track.startMs) / 1000;
        if (track.isRecorded) await write(situation, track, { phase: step.phase });
        else if (step.isRecordedThen && isWorthRecording(namespace, { track, phase: step.phase })) {
          await write(situation, { ...track, usualMs: usualOf(namespace, track) }, { phase: step.phase });
        }
        tracks.delete(key);
        metrics?.ended({ kind, verb: track.verb, outcome: step.phase, seconds });
        return;
      }
    }
  }

  /** Of what is over and was not recorded as running. */
  function isWorthRecording(
    namespace: string,
    { track, phase }: { readonly track: Track; readonly phase: Operation["phase"] },
  ): boolean {
    return phase === "Failed" || (track.isLeftOut !== true && room.take(namespace, clock.now()));
  }

  function tellOverdue(object: KubeObject, track: Tracked, view: WorkView | undefined): void {
    const since = formatDuration(clock.now() - track.startMs);
    const usual = track.usualMs === undefined ? "" : `, usually ${formatDuration(track.usualMs)}`;
    const now = view?.message === undefined || view.message === "" ? "" : `. Now: ${view.message}`;
    recorder.record(object, {
      type: "Warning",
      reason: "TakesLong",
      message: `${track.verb} has been going on for ${since}${usual}${now}`,
    });
  }

  function usualOf(
    namespace: string,
    { kind, verb }: { readonly kind: string; readonly verb: string },
  ): number | undefined {
    const alike = succeededByWork
      .of(`${namespace}/${kind}/${verb}`)
      .map(({ startTime, completionTime = startTime }) => [Date.parse(startTime), Date.parse(completionTime)] as const)
      .toSorted(([a], [b]) => a - b);
    return usualMs(alike.map(([start, end]) => end - start));
  }

  async function write(
    { namespace, name, kind, view, signal }: Situation,
    track: Tracked,
    outcome: Pick<Operation, "phase" | "overdue">,
  ): Promise<void> {
    const nowMs = clock.now();
    const isOver = outcome.phase !== "Running";
    // What is said at the beginning is soon not true any more.
    const message = isOver || outcome.overdue === true ? view?.message : undefined;
    const key = { namespace, name: track.record };
    const fields = {
      object: { kind, name, uid: track.uid },
      verb: track.verb,
      startTime: formatTime(new Date(track.startMs)),
      ...(track.usualMs === undefined ? {} : { usual: formatDuration(track.usualMs) }),
      ...(track.isOverdue ? { overdue: true } : {}),
      ...outcome,
      ...(isOver
        ? { completionTime: formatTime(new Date(nowMs)), duration: formatDuration(nowMs - track.startMs) }
        : {}),
      ...(message === undefined || message === "" ? {} : { message }),
    };
    const old = records.get(key);
    if (old !== undefined) {
      await ignoring("NotFound", client.mergePatch(Operation, key, fields, { signal }));
      return;
    }
    await makeRoom(namespace, signal);
    const head = { apiVersion: `${Operation.group}/${Operation.version}`, kind: Operation.kind, metadata: key };
    try {
      await ignoring("AlreadyExists", client.create(Operation, { ...head, ...fields }, { signal }));
    } catch (error) {
      // A namespace that is on its way out takes nothing new.
      if (!isStatus(error, "Forbidden") && !isStatus(error, "NotFound")) throw error;
    }
  }

  async function makeRoom(namespace: string, signal: AbortSignal): Promise<void> {
    if (overByNamespace.count(namespace) < mostKept) return;
    const over = overByNamespace
      .of(namespace)
      .toSorted((a, b) => Date.parse(b.startTime) - Date.parse(a.startTime))
      .slice(mostKept - 1);
    for (const { metadata } of over) {
      await ignoring("NotFound", client.delete(Operation, { namespace, name: metadata.name }, { signal }));
    }
  }

  return {
    name: "operations",
    for: Operation,
    related: [
      ...watchedKinds.map(({ type }) =>
        related(type, ({ metadata }) => [requestFor(metadata.namespace, type.kind, metadata.name)]),
      ),
      // Work on an object that went while no server ran.
      related(Operation, ({ metadata, object, phase }) =>
        phase === "Running" ? [requestFor(metadata.namespace, object.kind, object.name)] : [],
      ),
    ],
    reconcile,
  };
}

/** As the controller keys the work on it. */
function workedOn({ metadata, object }: Operation): string {
  return `${metadata.namespace}/${object.kind}/${object.name}`;
}

function requestFor(namespace: string | undefined, kind: string, name: string): ReconcileRequest {
  return { namespace: namespace ?? "", name: `${kind}/${name}` };
}

/** The same for the same work, so that a write that is repeated meets the earlier one. */
function recordName(work: {
  readonly kind: string;
  readonly name: string;
  readonly verb: string;
  readonly startMs: number;
}): string {
  const at = new Date(work.startMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return `${work.kind}-${work.name}`.toLowerCase().slice(0, 200) + `-${work.verb.toLowerCase()}-${at}`;
}
