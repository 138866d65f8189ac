import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chainOf, isMerged, nextLayerStep, pathUp } from "./layers.ts";
import type { DiskLayers, Layer } from "./layers.ts";

const line: readonly Layer[] = [{ volume: "root" }, { volume: "a", base: "root" }, { volume: "b", base: "a" }];

function disk(change: Partial<DiskLayers>): DiskLayers {
  return { layers: line, head: "b", first: "root", frozen: new Set(["root", "a"]), ...change };
}

test("while snapshots need all files there is nothing to do", () => {
  assert.deepEqual(nextLayerStep(disk({})), { kind: "none" });
});

test("what was frozen for a snapshot that went takes up what was written since", () => {
  assert.deepEqual(nextLayerStep(disk({ frozen: new Set(["root"]) })), { kind: "merge", base: "a", top: "b" });
  assert.deepEqual(nextLayerStep(disk({ frozen: new Set(["a"]) })), { kind: "merge", base: "root", top: "a" });
});

test("where two branches begin a file stays for both", () => {
  const layers = [...line, { volume: "c", base: "root" }];
  assert.deepEqual(nextLayerStep(disk({ layers, frozen: new Set(["a", "c"]) })), { kind: "none" });
});

test("a file is not merged from under two others", () => {
  const layers = [...line, { volume: "c", base: "a" }];
  assert.deepEqual(nextLayerStep(disk({ layers, frozen: new Set(["a", "c"]) })), { kind: "none" });
});

test("a branch that nobody needs is deleted from its end", () => {
  const layers = [...line, { volume: "c", base: "root" }];
  assert.deepEqual(nextLayerStep(disk({ layers })), { kind: "delete", volume: "c" });
});

test("the first file is never deleted, whatever is said of it", () => {
  assert.deepEqual(nextLayerStep(disk({ layers: [{ volume: "root" }], head: "elsewhere", frozen: new Set() })), {
    kind: "none",
  });
});

test("a merge is over when what needed the overlay has its base", () => {
  const merge = { base: "root", top: "a" };
  assert.equal(isMerged({ layers: line, head: "b" }, merge), false);
  const after = [{ volume: "root" }, { volume: "a", base: "root" }, { volume: "b", base: "root" }];
  assert.equal(isMerged({ layers: after, head: "b" }, merge), true);
  assert.equal(isMerged({ layers: line.slice(0, 2), head: "root" }, merge), true);
  assert.equal(isMerged({ layers: line.slice(0, 2), head: "a" }, merge), false);
});

test("a chain is followed both ways", () => {
  assert.deepEqual(chainOf(line, "b"), ["b", "a", "root"]);
  assert.deepEqual(pathUp(line, "root"), ["root", "a", "b"]);
});

/**
 * A disk over time: what each file reads as is the newest write at or below it. A snapshot remembers what was read when it was taken; after
 * any number of steps, with merges cut off in the middle, it must read the same.
 */
class ModelDisk {
  readonly files = new Map<string, { base: string | undefined; written: Map<number, number> }>();
  readonly snapshots = new Map<number, { file: string; reads: string }>();
  head = "root";
  #next = 0;

  constructor() {
    this.files.set("root", { base: undefined, written: new Map() });
  }

  write(block: number, value: number): void {
    this.files.get(this.head)?.written.set(block, value);
  }

  take(): void {
    this.#next += 1;
    this.snapshots.set(this.#next, { file: this.head, reads: this.read(this.head) });
    this.#grow(this.head);
  }

  revert(pick: number): void {
    const found = [...this.snapshots.values()];
    const to = found[pick % Math.max(found.length, 1)];
    if (to !== undefined) this.#grow(to.file);
  }

  remove(pick: number): void {
    const keys = [...this.snapshots.keys()];
    const key = keys[pick % Math.max(keys.length, 1)];
    if (key !== undefined) this.snapshots.delete(key);
  }

  read(file: string): string {
    const blocks = new Map<number, number>();
    for (let at: string | undefined = file; at !== undefined; at = this.files.get(at)?.base) {
      for (const [block, value] of this.files.get(at)?.written ?? []) {
        if (!blocks.has(block)) blocks.set(block, value);
      }
    }
    return JSON.stringify([...blocks].toSorted(([a], [b]) => a - b));
  }

  layers(): DiskLayers {
    const layers = [...this.files].map(([volume, { base }]) => ({ volume, ...(base === undefined ? {} : { base }) }));
    const frozen = new Set([...this.snapshots.values()].map(({ file }) => file));
    return { layers, head: this.head, first: "root", frozen };
  }

  /** One step; a merge may stop after some of its blocks. False when there was none. */
  tidy(blocksUntilCut: number): boolean {
    const step = nextLayerStep(this.layers());
    switch (step.kind) {
      case "none":
        return false;
      case "delete":
        assert.ok(![...this.files.values()].some(({ base }) => base === step.volume), "something backs onto it");
        this.files.delete(step.volume);
        return true;
      case "merge": {
        const from = this.files.get(step.top)?.written ?? new Map<number, number>();
        let left = blocksUntilCut;
        for (const [block, value] of from) {
          if (left === 0) return true;
          left -= 1;
          this.files.get(step.base)?.written.set(block, value);
        }
        for (const file of this.files.values()) if (file.base === step.top) file.base = step.base;
        for (const snapshot of this.snapshots.values()) if (snapshot.file === step.top) snapshot.file = step.base;
        if (this.head === step.top) this.head = step.base;
        return true;
      }
    }
  }

  #grow(base: string): void {
    this.#next += 1;
    this.head = `f${this.#next}`;
    this.files.set(this.head, { base, written: new Map() });
  }

  check(reads: string): void {
    assert.equal(this.read(this.head), reads, "the VM's disk changed under it");
    for (const { file, reads: then } of this.snapshots.values())
      assert.equal(this.read(file), then, "a snapshot changed");
  }
}

test("snapshots and the VM's disk read the same whatever is taken, reverted, removed, and cut off", () => {
  const number = fc.nat({ max: 7 });
  const act = fc.oneof(
    fc.tuple(fc.constant("write" as const), number, number),
    fc.tuple(fc.constant("take" as const), number, number),
    fc.tuple(fc.constant("revert" as const), number, number),
    fc.tuple(fc.constant("remove" as const), number, number),
    fc.tuple(fc.constant("tidy" as const), number, number),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const model = new ModelDisk();
      for (const [kind, a, b] of acts) {
        if (kind === "write") model.write(a, b);
        else if (kind === "take") model.take();
        else if (kind === "revert") model.revert(a);
        else if (kind === "remove") model.remove(a);
        else {
          const before = model.read(model.head);
          model.tidy(b);
          model.check(before);
        }
        model.check(model.read(model.head));
      }
      const before = model.read(model.head);
      for (let steps = 0; model.tidy(Infinity); steps++) assert.ok(steps < 1_000, "it comes to an end");
      model.check(before);
      assert.ok(model.files.has("root"));
      model.snapshots.clear();
      while (model.tidy(Infinity));
      model.check(before);
      assert.deepEqual([...model.files.keys()], ["root"]);
    }),
  );
});
