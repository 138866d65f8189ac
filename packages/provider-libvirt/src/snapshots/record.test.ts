import assert from "node:assert/strict";
import { test } from "node:test";
import { element, parseXml, renderXml } from "../xml/element.ts";
import {
  afterMerge,
  emptyRecord,
  frozenVolumes,
  readSnapshotRecord,
  snapshotMetadata,
  snapshotRecordElement,
  withoutSnapshot,
  withSnapshotRecord,
} from "./record.ts";
import type { RecordedSnapshot, SnapshotRecord } from "./record.ts";

function snapshot(uid: string, parent?: string): RecordedSnapshot {
  return {
    uid,
    name: `before <${uid}> & "so on"`,
    createdAtMs: 1_700_000_000_000,
    ...(parent === undefined ? {} : { parent }),
    consistency: "memory",
    disks: [{ disk: "root", volume: `web.0b7c6c1e.root.${uid}.qcow2` }],
    leftOut: ["data"],
    memory: `web.0b7c6c1e.${uid}.memory`,
  };
}

const record: SnapshotRecord = {
  snapshots: [snapshot("a"), snapshot("b", "a"), snapshot("c", "b")],
  current: "b",
  reverted: "x/1",
  restoring: "b",
  merge: { disk: "root", base: "web.0b7c6c1e.root.a.qcow2", top: "web.0b7c6c1e.root.b.qcow2" },
};

test("what is written into a domain is read back", () => {
  const domain = element("domain", {}, [element("metadata", {}, [element("other:mark", { "xmlns:other": "urn:x" })])]);
  const written = withSnapshotRecord(domain, record);
  assert.deepEqual(readSnapshotRecord(parseXml(renderXml(written))), record);
  assert.match(renderXml(written), /other:mark/);
  assert.deepEqual(readSnapshotRecord(withSnapshotRecord(written, emptyRecord)), emptyRecord);
  assert.deepEqual(readSnapshotRecord(domain), emptyRecord);
});

test("nothing is written where there is nothing to keep", () => {
  assert.equal(snapshotRecordElement(emptyRecord), undefined);
  assert.equal(snapshotMetadata(emptyRecord).metadata, undefined);
});

test("what comes after a snapshot that goes comes after its parent", () => {
  const { snapshots, current, restoring } = withoutSnapshot(record, "b");
  assert.deepEqual(
    snapshots.map(({ uid, parent }) => [uid, parent]),
    [
      ["a", undefined],
      ["c", "a"],
    ],
  );
  assert.deepEqual([current, restoring], ["a", undefined]);
  assert.equal(withoutSnapshot(record, "never-there"), record);
  assert.equal("current" in withoutSnapshot({ snapshots: [snapshot("a")], current: "a" }, "a"), false);
});

test("after a merge what meant the overlay means its base", () => {
  const merged = afterMerge(record);
  assert.equal(merged.merge, undefined);
  assert.equal(merged.snapshots[1]?.disks[0]?.volume, "web.0b7c6c1e.root.a.qcow2");
  assert.ok(!frozenVolumes(merged).has("web.0b7c6c1e.root.b.qcow2"));
});
