import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { VMSet, VMSetSpec } from "@vivarium/api";
import * as fc from "fast-check";
import { planSetChange } from "./vm-set-change-plan.ts";
import type { SetChange, TemplateVerdict } from "./vm-set-change-plan.ts";
import type { Replica } from "./vm-set-plan.ts";

const base: VMSetSpec = {
  replicas: 3,
  selector: { matchLabels: { app: "web" } },
  template: { metadata: { labels: { app: "web" } }, spec: { imageRef: { name: "v1" }, resources: { cpu: 1 } } },
};
const next = { ...base.template, spec: { ...base.template.spec, resources: { cpu: 2 } } };
const fine: TemplateVerdict = { problems: [], isWaitedFor: () => false, notApplied: [] };

function set(spec: Partial<VMSetSpec>): VMSet {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VMSet",
    metadata: { namespace: "default", name: "web" },
    spec: { ...base, ...spec },
  };
}

function replicas(count: number): Replica[] {
  return Array.from({ length: count }, (_, ordinal) => ({
    name: `web-${ordinal}`,
    ordinal,
    revision: "web-1234",
    isAvailable: false,
    isBroken: true,
    isTerminating: false,
  }));
}

function planned(
  change: Partial<VMSetSpec>,
  { before = {}, verdict = fine }: { readonly before?: Partial<VMSetSpec>; readonly verdict?: TemplateVerdict } = {},
): SetChange {
  const machines = replicas(before.replicas ?? 3);
  return planSetChange(set(before), set({ ...before, ...change }), { machines, verdict });
}

const rolling = (rollingUpdate: NonNullable<NonNullable<VMSetSpec["updateStrategy"]>["rollingUpdate"]>) => ({
  updateStrategy: { type: "RollingUpdate", rollingUpdate } as const,
});
const textOf = ({ changes }: SetChange) =>
  changes.map(({ effect, path, from, to }) => `${effect} ${path} ${from}>${to}`);

describe("fields", () => {
  test("each field of the template is told with its values, and makes machines anew", () => {
    const template = { ...next, metadata: { labels: { app: "web", tier: "front" } } };
    assert.deepEqual(textOf(planned({ template })), [
      'recreate spec.template.metadata.labels.tier undefined>"front"',
      "recreate spec.template.spec.resources.cpu 1>2",
    ]);
  });

  test("what the set itself goes by is live", () => {
    assert.deepEqual(textOf(planned({ replicas: 4, minReadySeconds: 5 })), [
      "live spec.replicas 3>4",
      "live spec.minReadySeconds undefined>5",
    ]);
  });

  test("what has no effect here is told, and replaces machines all the same", () => {
    const template = { ...base.template, spec: { ...base.template.spec, placement: { folder: "x" } } };
    const change = planned({ template }, { verdict: { ...fine, notApplied: ["spec.placement.folder"] } });
    assert.deepEqual(textOf(change), ['none spec.template.spec.placement.folder undefined>"x"']);
    assert.equal(change.rollout.replaced.length, 3);
  });

  test("a template of which no machine could be made is refused by field and reason; what is not there yet is unknown", () => {
    const problems = [{ reason: "Unsupported", message: "spec.resources.gpu is not supported" }] as const;
    const refused = planned({ template: next }, { verdict: { ...fine, problems } });
    assert.deepEqual(
      refused.changes.map(({ effect }) => effect),
      ["refused", "refused"],
    );
    assert.match(
      refused.changes[1]?.reason ?? "",
      /^Unsupported: spec.resources.gpu is not supported; what is replaced/,
    );
    assert.deepEqual(refused.rollout.replaced, []);
    const waiting = planned({ template: next }, { verdict: { ...fine, problems, isWaitedFor: () => true } });
    assert.deepEqual(
      waiting.changes.map(({ effect }) => effect),
      ["recreate", "unknown"],
    );
  });

  test("a set that contradicts itself does nothing", () => {
    const template = { ...next, metadata: { labels: { app: "other" } } };
    const change = planned({
      template,
      selector: {
        matchLabels: { app: "web", tier: "x" },
        matchExpressions: [{ key: "app", operator: "NotIn", values: ["other"] }],
      },
    });
    assert.ok(change.changes.every(({ effect }) => effect === "refused"));
    assert.match(change.changes.at(-1)?.reason ?? "", /^InvalidSelector: /);
    assert.deepEqual(change.rollout.replaced, []);
  });
});

describe("machines", () => {
  test("one after the other, the highest first, with one more beside them", () => {
    const { rollout } = planned({ template: next }, { before: rolling({ maxUnavailable: 0, maxSurge: 1 }) });
    assert.deepEqual(rollout, {
      replaced: [["web-2"], ["web-1"], ["web-0"]],
      kept: [],
      surge: ["web-3"],
      added: [],
      deleted: [],
    });
  });

  test("as many at the same time as may be absent", () => {
    const before = { replicas: 5, ...rolling({ maxUnavailable: 2, maxSurge: 0, podManagementPolicy: "Parallel" }) };
    assert.deepEqual(planned({ template: next }, { before }).rollout.replaced, [
      ["web-4", "web-3"],
      ["web-2", "web-1"],
      ["web-0"],
    ]);
  });

  test("all at once for Recreate", () => {
    const before: Partial<VMSetSpec> = { updateStrategy: { type: "Recreate" } };
    assert.deepEqual(planned({ template: next }, { before }).rollout.replaced, [["web-2", "web-1", "web-0"]]);
  });

  for (const [name, before, heldBy, kept] of [
    ["below the partition", rolling({ partition: 2, maxSurge: 0 }), undefined, ["web-0", "web-1"]],
    [
      "where each is deleted by hand",
      { updateStrategy: { type: "OnDelete" } },
      "OnDelete",
      ["web-0", "web-1", "web-2"],
    ],
    ["while the set is paused", { paused: true }, "paused", ["web-0", "web-1", "web-2"]],
  ] as const) {
    test(`they stay ${name}, and that is told`, () => {
      const change = planned({ template: next }, { before });
      assert.deepEqual([change.rollout.kept, change.heldBy], [kept, heldBy]);
    });
  }

  test("another number adds and deletes, and replaces nobody", () => {
    const none = { replaced: [], kept: [], surge: [], added: [], deleted: [] };
    assert.deepEqual(planned({ replicas: 5 }).rollout, { ...none, added: ["web-3", "web-4"] });
    assert.deepEqual(planned({ replicas: 1 }).rollout, { ...none, deleted: ["web-2", "web-1"] });
  });

  test("whatever the set is: each wanted machine is replaced once or kept, and never more at a time than may be absent", () => {
    const count = fc.integer({ min: 0, max: 6 });
    const strategies = fc.record({
      replicas: fc.integer({ min: 1, max: 8 }),
      maxUnavailable: count,
      maxSurge: count,
      partition: count,
      podManagementPolicy: fc.constantFrom("OrderedReady" as const, "Parallel" as const),
    });
    fc.assert(
      fc.property(strategies, ({ replicas: wanted, ...rollingUpdate }) => {
        const { rollout } = planned({ template: next }, { before: { replicas: wanted, ...rolling(rollingUpdate) } });
        const names = replicas(wanted).map(({ name }) => name);
        const told = [...rollout.replaced.flat(), ...rollout.kept];
        assert.deepEqual(told.toSorted(), names);
        assert.deepEqual(rollout.kept, names.slice(0, rollingUpdate.partition));
        const atOnce = Math.max(1, rollingUpdate.maxUnavailable + rollingUpdate.maxSurge);
        for (const wave of rollout.replaced) assert.ok(wave.length <= atOnce, JSON.stringify(rollout));
        assert.deepEqual([rollout.added, rollout.deleted], [[], []]);
      }),
      { numRuns: 300 },
    );
  });
});
