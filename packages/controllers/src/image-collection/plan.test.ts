import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTime } from "@vivarium/api";
import type { VMImage } from "@vivarium/api";
import * as fc from "fast-check";
import { image, provider } from "../testing/controllers-lab.ts";
import { planCollection } from "./plan.ts";
import type { FoundImage } from "./plan.ts";

const nowMs = Date.parse("2026-01-02T00:00:00Z");
const start = (digit: string): string => `sha256:${digit.repeat(24)}`;

function found(digit: string, users: readonly string[] = []): FoundImage {
  const stored = { id: `image-${digit}`, digestStart: start(digit), sizeBytes: 2 ** 20, isComplete: true, users };
  return { host: "lab", image: stored };
}

function meaning(status: NonNullable<VMImage["status"]>): VMImage {
  return { ...image("debian", {}), status };
}

/** A Provider that saw the image unused so long ago. */
function aged(ageMs: number, unusedFor: string) {
  const unusedSince = formatTime(new Date(nowMs - ageMs));
  const images = [{ id: "image-b", size: "1Mi", verdict: "Unused" as const, unusedSince }];
  return { ...provider("lab", { imageCollection: { unusedFor } }), status: { imageCollection: { images } } };
}

test("what a VMImage means by its digest, or has on a provider, is not even listed", () => {
  const images = [
    meaning({ digest: start("a").padEnd(71, "0") }),
    meaning({ providerStatus: { lab: { available: true, id: "image-b" } } }),
  ];
  const plan = planCollection(provider("lab"), {
    found: [found("a"), found("b"), found("c")],
    images,
    nowMs,
    mode: "Collect",
  });
  assert.deepEqual(plan.removals, [{ host: "lab", id: "image-c" }]);
  assert.deepEqual(
    plan.images.map(({ id }) => id),
    ["image-c"],
  );
});

test("an image goes by itself at the age that the spec says, and not a second before", () => {
  const removals = (ageMs: number, unusedFor: string) =>
    planCollection(aged(ageMs, unusedFor), { found: [found("b")], images: [], nowMs, mode: "Aged" }).removals.length;
  assert.equal(removals(7_199_000, "2h"), 0);
  assert.equal(removals(7_200_000, "2h"), 1);
  // Less than ten minutes are ten minutes.
  assert.equal(removals(599_000, "1s"), 0);
  assert.equal(removals(600_000, "1s"), 1);
});

test("the age of an image that was in use begins when it is not any more", () => {
  const before = aged(7_200_000, "2h");
  const inUse = planCollection(before, { found: [found("b", ["web"])], images: [], nowMs, mode: "Aged" });
  assert.deepEqual(inUse.removals, []);
  assert.equal(inUse.images[0]?.unusedSince, undefined);
  const later = { ...before, status: { imageCollection: { images: [...inUse.images] } } };
  const free = planCollection(later, { found: [found("b")], images: [], nowMs, mode: "Aged" });
  assert.deepEqual(free.removals, []);
  assert.equal(free.images[0]?.unusedSince, formatTime(new Date(nowMs)));
});

test("whatever there is and whoever asks, only what is meant by nobody and used by nothing goes", () => {
  const digits = fc.constantFrom("0", "1", "2", "a", "b", "c");
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.record({ digit: digits, isUsed: fc.boolean() }), { selector: ({ digit }) => digit }),
      fc.array(digits),
      fc.constantFrom("Collect", "DryRun", "Aged"),
      (there, meant, mode) => {
        const plan = planCollection(provider("lab"), {
          found: there.map(({ digit, isUsed }) => found(digit, isUsed ? ["web"] : [])),
          images: meant.map((digit) => meaning({ digest: start(digit).padEnd(71, "0") })),
          nowMs,
          mode,
        });
        const may = there.filter(({ digit, isUsed }) => !isUsed && !meant.includes(digit));
        const expected = mode === "Collect" ? may.map(({ digit }) => ({ host: "lab", id: `image-${digit}` })) : [];
        assert.deepEqual(plan.removals, expected);
      },
    ),
  );
});
