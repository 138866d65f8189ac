import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { VMClass } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { Client } from "@vivarium/client";
import { createManager, ManualClock } from "@vivarium/runtime";
import type { ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { headOf } from "../testing/controllers-lab.ts";
import { startApi } from "../testing/start-api.ts";
import { reconcileInSteps } from "./reconcile-in-steps.ts";
import type { ObserveOptions, SteppedKind } from "./reconcile-in-steps.ts";
import { settle } from "./step.ts";

const small = { namespace: "default", name: "small" };
const finalizer = "vivarium.dev/stepped";

interface Look {
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly done: readonly string[];
  readonly before: Look | undefined;
}
type Step = { readonly kind: "Make" };
type Situation = { readonly kind: "Ready" } | { readonly kind: "Refused" } | { readonly kind: "Gone" };
type Kind = SteppedKind<VMClass, Look, Step, Situation>;

/** Holds the finalizer, makes something once, and is ready. */
const maker = {
  type: VMClass,
  finalizer,
  observe: ({ metadata }: VMClass, { done, before }: ObserveOptions<Look>): Look => ({
    isDeleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(finalizer) ?? false,
    done: [...done],
    before,
  }),
  decide({ isDeleting, hasFinalizer, done }: Look) {
    if (isDeleting) return { kind: "RemoveFinalizer" } as const;
    if (!hasFinalizer) return { kind: "AddFinalizer" } as const;
    return done.includes("Make") ? settle(ready) : ({ kind: "Make" } as const);
  },
  act: () => Promise.resolve(),
  report: () => Promise.resolve(),
};

const ready: Situation = { kind: "Ready" };

interface Lab {
  readonly client: Client;
  readonly reconcile: (request?: ReconcileRequest) => Promise<ReconcileResult>;
}

async function lab(t: TestContext, change: Partial<Kind>): Promise<Lab> {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock(1_000_000);
  const manager = createManager({ client, logger, clock, random: () => 0 });
  const reconcile = reconcileInSteps<VMClass, Look, Step, Situation>({ ...maker, ...change }, { manager, clock });
  const stopping = new AbortController();
  const running = manager.run({ signal: stopping.signal });
  t.after(async () => {
    stopping.abort();
    await running;
  });
  await manager.client.create(VMClass, { ...headOf(VMClass, small.name), spec: { cpu: 1, memory: "1Gi" } });
  const context = { signal: stopping.signal, log: logger, failures: 0 };
  return { client: manager.client, reconcile: (request = small) => reconcile(request, context) };
}

test("it takes one step after the other, and reports once there is none", async (t) => {
  const steps: string[] = [];
  const { client, reconcile } = await lab(t, {
    act: async (_, step) => void steps.push(step.kind),
    report: async (_, { situation }) => void steps.push(situation.kind),
  });
  assert.equal(await reconcile(), undefined);
  assert.deepEqual(steps, ["Make", "Ready"]);
  assert.deepEqual((await client.get(VMClass, small)).metadata.finalizers, [finalizer]);
});

test("each look knows the steps that were taken, and what was seen before the last", async (t) => {
  const looks: Look[] = [];
  const { reconcile } = await lab(t, { report: async (_, { look }) => void looks.push(look) });
  await reconcile();
  const [look] = looks;
  assert.deepEqual(look?.done, ["AddFinalizer", "Make"]);
  assert.deepEqual(look.before?.done, ["AddFinalizer"]);
});

test("it looks again when the plan says so", async (t) => {
  const { reconcile } = await lab(t, { decide: () => settle(ready, 1_005_000) });
  assert.deepEqual(await reconcile(), { requeueAfterMs: 5_000 });
});

test("at once where that time has passed", async (t) => {
  const { reconcile } = await lab(t, { decide: () => settle(ready, 1) });
  assert.deepEqual(await reconcile(), { requeueAfterMs: 0 });
});

test("of what is gone nothing is reported", async (t) => {
  const { reconcile } = await lab(t, {
    decide: () => settle({ kind: "Gone" }),
    report: () => assert.fail("Nobody is left to hear of it"),
  });
  assert.equal(await reconcile(), undefined);
});

test("the finalizer is let go after what goes on for the object has ended", async (t) => {
  const ended: unknown[] = [];
  const { client, reconcile } = await lab(t, { end: (_, object) => void ended.push(object?.metadata.finalizers) });
  await reconcile();
  await client.delete(VMClass, small);
  await reconcile();
  assert.deepEqual(ended, [[finalizer]]);
  assert.deepEqual((await client.list(VMClass, { namespace: "default" })).items, []);
});

test("an object that is gone ends what goes on for it, too", async (t) => {
  const ended: unknown[] = [];
  const { reconcile } = await lab(t, { end: (request, object) => void ended.push(request, object) });
  const gone = { ...small, name: "gone" };
  assert.equal(await reconcile(gone), undefined);
  assert.deepEqual(ended, [gone, undefined]);
});

test("a step that the hypervisor refuses ends the reconcile as the kind says", async (t) => {
  const told: string[] = [];
  const { reconcile } = await lab(t, {
    act: () => Promise.reject(new ProviderError("NoSpace", "full")),
    refused: (_, { code }, { step }) => {
      told.push(`${step.kind}: ${code}`);
      return settle({ kind: "Refused" }, 1_060_000);
    },
    report: async (_, { situation }) => void told.push(situation.kind),
  });
  assert.deepEqual(await reconcile(), { requeueAfterMs: 60_000 });
  assert.deepEqual(told, ["Make: NoSpace", "Refused"]);
});

test("other errors of a step are the runtime's", async (t) => {
  const { reconcile } = await lab(t, {
    act: () => Promise.reject(new TypeError("a bug")),
    refused: () => assert.fail("It is no refusal"),
  });
  await assert.rejects(reconcile(), new TypeError("a bug"));
});

test("a plan that turns in circles is an error", async (t) => {
  const { reconcile } = await lab(t, { decide: () => ({ kind: "Make" }), mostSteps: 3 });
  await assert.rejects(reconcile(), new Error('Cannot settle VMClass "default/small": 3 steps led nowhere'));
});
