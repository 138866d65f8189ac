import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chooseHost } from "./choose-host.ts";
import type { HostCandidate, HostWish } from "./choose-host.ts";

const gib = 1024 ** 3;
const wish: HostWish = { cpus: 1, memoryBytes: gib, selector: {} };

function host(name: string, more: Partial<HostCandidate> = {}): HostCandidate {
  return {
    name,
    labels: {},
    isUnschedulable: false,
    allocatable: { cpus: 8, memoryBytes: 8 * gib },
    taken: { cpus: 0, memoryBytes: 0 },
    ...more,
  };
}

test("the host with most free memory is chosen; of equals the first by name", () => {
  const used = { cpus: 1, memoryBytes: gib };
  assert.deepEqual(chooseHost(wish, [host("b", { taken: used }), host("c"), host("d")]), { kind: "chosen", host: "c" });
});

test("a host that is named is taken at its word; one that is not there is told", () => {
  const down = host("a", { notReady: "down", isUnschedulable: true });
  assert.deepEqual(chooseHost({ ...wish, host: "a" }, [down, host("b")]), { kind: "chosen", host: "a" });
  const none = chooseHost({ ...wish, host: "x" }, [host("a"), host("b")]);
  assert.deepEqual(none, { kind: "none", reasons: ['spec.placement.host names "x"; there are a, b'] });
});

test("for each host it says why not", () => {
  const { allocatable: _, ...unknown } = host("f", { labels: { zone: "1" } });
  const choice = chooseHost({ ...wish, memoryBytes: 4 * gib, cpus: 4, selector: { zone: "1" } }, [
    host("a"),
    host("b", { labels: { zone: "1" }, notReady: "no answer" }),
    host("c", { labels: { zone: "1" }, isUnschedulable: true }),
    host("d", { labels: { zone: "1" }, taken: { cpus: 0, memoryBytes: 6 * gib } }),
    host("e", { labels: { zone: "1" }, taken: { cpus: 6, memoryBytes: 0 } }),
    unknown,
  ]);
  assert.deepEqual(choice.kind === "none" && choice.reasons, [
    'a: its label zone is not "1"',
    "b: it is not ready (no answer)",
    "c: it is unschedulable",
    "d: it has 2048 MiB of memory left, the VM wants 4096 MiB",
    "e: it has 2 CPUs left, the VM wants 4",
    "f: its size is not known yet",
  ]);
});

test("what is chosen can take the VM, and nothing is refused while some host can", () => {
  const candidate = fc.record({
    isReady: fc.boolean(),
    isUnschedulable: fc.boolean(),
    cpus: fc.integer({ min: 0, max: 16 }),
    memory: fc.integer({ min: 0, max: 16 }),
    used: fc.integer({ min: 0, max: 16 }),
  });
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 6 }), (drawn) => {
      const hosts = drawn.map((each, index) =>
        host(`h${index}`, {
          ...(each.isReady ? {} : { notReady: "down" }),
          isUnschedulable: each.isUnschedulable,
          allocatable: { cpus: each.cpus, memoryBytes: each.memory * gib },
          taken: { cpus: 0, memoryBytes: each.used * gib },
        }),
      );
      const fits = drawn.map(
        (each) => each.isReady && !each.isUnschedulable && each.cpus >= 1 && each.memory - each.used >= 1,
      );
      const choice = chooseHost(wish, hosts);
      if (choice.kind === "none") return !fits.includes(true);
      return fits[Number(choice.host.slice(1))] === true;
    }),
  );
});
