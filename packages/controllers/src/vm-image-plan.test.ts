import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageError } from "@vivarium/images";
import type { ImageErrorCode } from "@vivarium/images";
import { ProviderError } from "@vivarium/provider";
import * as fc from "fast-check";
import { cachedImage } from "./testing/scripted-image-cache.ts";
import { decideImage, failureOf } from "./vm-image-plan.ts";
import type { FetchState, ImageObservation, ImageUser, ImportState } from "./vm-image-plan.ts";
import type { ImageWork } from "./vm-image-source.ts";

const nowMs = 1_000_000;
const work: ImageWork = {
  kind: "work",
  sources: [
    { kind: "url", url: "https://images.example/a" },
    { kind: "url", url: "https://images.example/b" },
    { kind: "debootstrap", packages: [], diskBytes: 1 },
  ],
  onMissing: "Import",
  timeoutMs: 1,
  retries: 3,
  isForced: false,
};

const codes: ImageErrorCode[] = ["Unreachable", "NotFound", "ChecksumMismatch", "DiskFull", "BuildFailed"];
const failed = fc.record({
  kind: fc.constant("failed" as const),
  error: fc.constantFrom(...codes).map((code) => new ImageError(code, code)),
  failures: fc.integer({ min: 1, max: 6 }),
  failedMs: fc.integer({ min: 0, max: nowMs }),
});
const running = fc.constant({ kind: "running" as const, startedMs: 1 });
const none = fc.constant({ kind: "none" as const });
const fetchState: fc.Arbitrary<FetchState> = fc.oneof(
  none,
  running,
  failed,
  fc.constant({ kind: "done" as const, result: cachedImage }),
);
const importState: fc.Arbitrary<ImportState> = fc.oneof(none, running, failed);
const imported = { id: "i", path: "/i", virtualSizeBytes: 1 };
const user: fc.Arbitrary<ImageUser> = fc.record({
  provider: fc.constant({ namespace: "default", name: "lab" }),
  statusKey: fc.constant("lab"),
  importing: importState,
  seen: fc.constantFrom<ImageUser["seen"]>(
    { kind: "not-open" },
    { kind: "unavailable", error: new ProviderError("Unavailable", "gone") },
    { kind: "absent" },
    { kind: "present", imported },
  ),
});
const observation: fc.Arbitrary<ImageObservation> = fc.record({
  nowMs: fc.constant(nowMs),
  work: fc.constantFrom(
    work,
    { ...work, onMissing: "Fail" as const },
    { kind: "problem" as const, reason: "NoSource" as const, message: "none" },
  ),
  users: fc.array(user, { maxLength: 3 }),
  fetches: fc.tuple(fetchState, fetchState, fetchState),
});

test("whatever is seen: nothing is fetched or sent that nobody lacks, and only silence leads to the next source", () => {
  fc.assert(
    fc.property(observation, (seen) => {
      const step = decideImage(seen);
      if (step.kind === "rest") {
        if (step.nextMs !== undefined) assert.ok(step.nextMs > nowMs);
        return;
      }
      assert.ok(seen.work.kind === "work" && seen.work.onMissing === "Import");
      assert.ok(seen.users.some((each) => each.seen.kind === "absent"));
      if (step.kind === "import") {
        assert.equal(step.user.seen.kind, "absent");
        assert.notEqual(step.user.importing.kind, "running");
        assert.ok(seen.fetches.some((state) => state.kind === "done"));
        return;
      }
      assert.ok(seen.fetches.every((state) => state.kind !== "running" && state.kind !== "done"));
      const index = work.sources.indexOf(step.source);
      for (const state of seen.fetches.slice(0, index)) {
        assert.ok(state.kind === "failed" && failureOf(state.error).code === "Unreachable");
      }
    }),
    { numRuns: 500 },
  );
});

test("a failed source that can recover is always tried again at some time", () => {
  fc.assert(
    fc.property(failed, (state) => {
      const users: ImageUser[] = [
        {
          provider: { namespace: "d", name: "l" },
          statusKey: "l",
          seen: { kind: "absent" },
          importing: { kind: "none" },
        },
      ];
      const one = { ...work, sources: work.sources.slice(0, 1) };
      const step = decideImage({ nowMs, work: one, users, fetches: [state] });
      const isRetryable = failureOf(state.error).isRetryable;
      assert.equal(step.kind === "fetch" || (step.kind === "rest" && step.nextMs !== undefined), isRetryable);
    }),
  );
});
