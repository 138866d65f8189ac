// Judges what the processes reported against what etcd guarantees (https://etcd.io/docs/v3.5/learning/api_guarantees/).
//
// The recorder's watch gives one log of all changes with one revision each. With the order of the writes known, being linearizable comes
// down to time: a write or read that began after another one had ended comes after it in the log; and what was read had been begun.

import assert from "node:assert/strict";
import { recorderId, type Report, type SeenEvent } from "./report.ts";

type Invoke = Extract<Report, { type: "invoke" }>;

export interface Verdict {
  readonly changes: number;
  readonly operations: number;
  readonly watches: number;
  readonly compacted: number;
}

export function checkHistory(reports: readonly Report[], options: { readonly base: number }): Verdict {
  const log = recordedLog(reports, options.base);
  const invokes = new Map(reports.filter((each) => each.type === "invoke").map((each) => [each.id, each]));
  checkWrites(log, reports, invokes);
  checkReads(log, reports, invokes);
  checkLists(log, reports, invokes);
  const watches = checkWatches(log, reports);
  return {
    changes: log.length,
    operations: invokes.size,
    watches,
    compacted: reports.filter((each) => each.type === "compacted").length,
  };
}

/** Ordered and unique over all lives of the recorder; each previous revision is that of the change before of the same key. */
function recordedLog(reports: readonly Report[], base: number): readonly SeenEvent[] {
  const log = reports.flatMap((each) => (each.type === "seen" && each.id === recorderId ? each.events : []));
  const newest = new Map<string, number>();
  let revision = base;
  for (const event of log) {
    assert.ok(event.revision > revision, `ordered and unique: ${event.revision} after ${revision}`);
    revision = event.revision;
    assert.equal(event.previous, newest.get(event.key) ?? 0, `what was before revision ${revision} is what was there`);
    newest.set(event.key, event.value === undefined ? 0 : revision);
  }
  return log;
}

/** Reliable and atomic: what was answered is in the log as it was asked for, what was refused is not, nothing is there twice. */
function checkWrites(
  log: readonly SeenEvent[],
  reports: readonly Report[],
  invokes: ReadonlyMap<string, Invoke>,
): void {
  const byRevision = new Map(log.map((event) => [event.revision, event]));
  const values = new Map(log.flatMap((event) => (event.value === undefined ? [] : [[event.value, event] as const])));
  assert.equal(values.size, log.filter((event) => event.value !== undefined).length, "no write is there twice");
  for (const value of values.keys()) assert.ok(invokes.has(value), "only what was asked for is there");
  const ended: { readonly at: number; readonly begun: number; readonly revision: number }[] = [];
  for (const each of reports) {
    if (each.type === "written") {
      const { key, kind, value, expected, at } = known(invokes, each.id);
      const event = byRevision.get(each.revision);
      assert.ok(event !== undefined, `the write of revision ${each.revision} that was answered is there`);
      assert.deepEqual([event.key, event.value], [key, kind === "put" ? value : undefined]);
      if (expected !== undefined) assert.equal(event.previous, expected, "compare-and-swap: its condition was met");
      ended.push({ at: each.at, begun: at, revision: each.revision });
    } else if (each.type === "found" || each.type === "failed") {
      assert.ok(!values.has(each.id), `${each.id} was not written, as was said`);
    }
  }
  assertOrderedInTime(ended);
}

/** Who begins after another one has ended gets a later revision. */
function assertOrderedInTime(writes: readonly { at: number; begun: number; revision: number }[]): void {
  const byBegin = writes.toSorted((a, b) => a.begun - b.begun);
  const byEnd = writes.toSorted((a, b) => a.at - b.at);
  let newest = 0;
  let index = 0;
  for (const write of byBegin) {
    for (let ended = byEnd[index]; ended !== undefined && ended.at < write.begun; ended = byEnd[++index])
      newest = Math.max(newest, ended.revision);
    assert.ok(write.revision > newest, `revision ${write.revision} was begun after ${newest} had ended`);
  }
}

interface Read {
  readonly key: string;
  readonly begun: number;
  readonly at: number;
  /** Position in the key's own log: 0 before the first change. */
  readonly position: number;
}

function checkReads(log: readonly SeenEvent[], reports: readonly Report[], invokes: ReadonlyMap<string, Invoke>): void {
  const positions = new Map<string, number>();
  const lengths = new Map<string, SeenEvent[]>();
  for (const event of log) {
    const ofKey = lengths.get(event.key) ?? [];
    ofKey.push(event);
    lengths.set(event.key, ofKey);
    positions.set(`${event.key} ${event.revision}`, ofKey.length);
  }
  const writes = new Map<string, Read[]>();
  const reads: (Read & { readonly isAbsent: boolean })[] = [];
  for (const each of reports) {
    if (each.type !== "written" && each.type !== "found") continue;
    const { key, at: begun } = known(invokes, each.id);
    const position = positions.get(`${key} ${each.revision}`) ?? 0;
    if (each.type === "found") {
      assert.ok(each.revision === 0 || position > 0, `revision ${each.revision} of ${key} that was read is there`);
      reads.push({ key, begun, at: each.at, position, isAbsent: each.revision === 0 });
    } else writes.set(key, [...(writes.get(key) ?? []), { key, begun, at: each.at, position }]);
  }
  const seen: Read[] = [];
  for (const read of reads.toSorted((a, b) => a.at - b.at)) {
    const before = [...(writes.get(read.key) ?? []), ...seen].filter(
      (each) => each.key === read.key && each.at < read.begun,
    );
    const atLeast = Math.max(0, ...before.map((each) => each.position));
    if (read.isAbsent) {
      // Nothing was there at some point not before what had ended.
      const ofKey = lengths.get(read.key) ?? [];
      const later = ofKey.slice(Math.max(0, atLeast - 1));
      assert.ok(
        atLeast === 0 || later.some((event) => event.value === undefined),
        `${read.key} was absent after ${atLeast}`,
      );
      continue;
    }
    assert.ok(read.position >= atLeast, `a read of ${read.key} is as new as what had ended before it began`);
    seen.push(read);
    const event = lengths.get(read.key)?.[read.position - 1];
    const writer = event?.value === undefined ? undefined : invokes.get(event.value);
    assert.ok(writer !== undefined && writer.at <= read.at, "what was read had been begun");
  }
}

/** A list is the state of one revision, whole, and as new as what had ended before. */
function checkLists(log: readonly SeenEvent[], reports: readonly Report[], invokes: ReadonlyMap<string, Invoke>): void {
  const lists = reports.filter((each) => each.type === "listed").toSorted((a, b) => a.revision - b.revision);
  const written = reports.filter((each) => each.type === "written");
  const state = new Map<string, number>();
  let index = 0;
  for (const list of lists) {
    for (let event = log[index]; event !== undefined && event.revision <= list.revision; event = log[++index]) {
      if (event.value === undefined) state.delete(event.key);
      else state.set(event.key, event.revision);
    }
    const expected = [...state].toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(list.items, expected, `the list of revision ${list.revision} is what was there`);
    const { at } = known(invokes, list.id);
    for (const each of written) if (each.at < at) assert.ok(each.revision <= list.revision, "a list is linearizable");
  }
}

/** Every watch is a part of the log, whole up to its bookmarks. */
function checkWatches(log: readonly SeenEvent[], reports: readonly Report[]): number {
  const begun = reports.filter((each) => each.type === "watch");
  for (const { id, prefix, from } of begun) {
    const expected = log.filter((event) => event.revision >= from && event.key.startsWith(prefix));
    let position = 0;
    for (const each of reports) {
      if (each.type !== "seen" || each.id !== id) continue;
      const part = expected.slice(position, position + each.events.length);
      assert.deepEqual(each.events, part, `watch ${id} of ${prefix} from ${from}: in order, once, none left out`);
      position += each.events.length;
      const next = expected[position];
      assert.ok(next === undefined || next.revision > each.bookmark, `bookmark ${each.bookmark} of ${id} holds`);
    }
  }
  return begun.length;
}

function known(invokes: ReadonlyMap<string, Invoke>, id: string): Invoke {
  const found = invokes.get(id);
  assert.ok(found !== undefined, `${id} was begun`);
  return found;
}
