// VMSets over a real API server; the machines come up when the test says so.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  Event,
  findCondition,
  isStatus,
  revisionLabel,
  VirtualMachine,
  VMSet,
  VMSetRevision,
  Volume,
  type VMSetSpec,
} from "@vivarium/api";
import { controllersLab, headOf, machine } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createVmSetController } from "./vm-set.ts";

const namespace = "default";
const app = { app: "web" };
const parallel: VMSetSpec["updateStrategy"] = { rollingUpdate: { podManagementPolicy: "Parallel" } };

async function lab(t: TestContext, spec: Partial<VMSetSpec> = {}) {
  const base = await controllersLab(t);
  const { client, clock, manager, providers } = base;
  base.run(createVmSetController({ manager, providers, clock, random: () => 0 }));
  const machines = async () => {
    const { items } = await client.list(VirtualMachine, { namespace });
    return [...items].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  };
  const names = async () => (await machines()).map((vm) => vm.metadata.name).join(" ");
  const setReady = async (name: string, status: "True" | "False", phase: "Running" | "Failed" = "Running") => {
    const vm = await client.get(VirtualMachine, { namespace, name });
    const lastTransitionTime = new Date(clock.now()).toISOString();
    const condition = {
      type: "Ready",
      status,
      reason: status === "True" ? "Running" : "Crashed",
      message: "x",
      lastTransitionTime,
    };
    await client.updateStatus(VirtualMachine, { ...vm, status: { phase, conditions: [condition] } });
  };
  /** Machines come up as soon as they are there, until `isSo`. */
  const until = async <T>(what: string, isSo: () => Promise<T | false | undefined>) =>
    eventually(async () => {
      for (const vm of await machines()) {
        if (vm.status?.phase === undefined && !isHeld(vm)) {
          await setReady(vm.metadata.name, "True").catch((error: unknown) => {
            // Deleted meanwhile, or looked at by the set.
            if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
          });
        }
      }
      return isSo();
    }, what);
  let isHeld = (_vm: VirtualMachine): boolean => false;
  await client.create(VMSet, {
    ...headOf(VMSet, "web"),
    spec: {
      replicas: 3,
      selector: { matchLabels: app },
      template: { metadata: { labels: app }, spec: { imageRef: { name: "v1" } } },
      ...spec,
    },
  });
  const set = () => client.get(VMSet, { namespace, name: "web" });
  const complete = () =>
    until("the set is complete", async () => {
      const found = await set();
      const isSeen = found.status?.observedGeneration === found.metadata.generation;
      return isSeen && findCondition(found.status?.conditions, "Ready")?.status === "True" && found;
    });
  return {
    ...base,
    machines,
    names,
    setReady,
    until,
    set,
    complete,
    /** Machines for which this is true do not come up. */
    hold: (which: (vm: VirtualMachine) => boolean) => {
      isHeld = which;
    },
    patch: (spec: object) => client.mergePatch(VMSet, { namespace, name: "web" }, { spec }),
    toImage: (name: string) =>
      client.mergePatch(VMSet, { namespace, name: "web" }, { spec: { template: { spec: { imageRef: { name } } } } }),
    images: async () => (await machines()).map((vm) => vm.spec.imageRef?.name).join(" "),
    reasonOf: async (type: string) => findCondition((await set()).status?.conditions, type)?.reason,
  };
}

test("machines are made in order, numbered, labelled and owned", async (t) => {
  const { machines, complete, hold, names, until } = await lab(t);
  hold((vm) => vm.metadata.name === "web-1");
  await until("web-1 is made", async () => (await names()) === "web-0 web-1");
  hold(() => false);
  const set = await complete();
  const made = await machines();
  assert.deepEqual(
    made.map((vm) => vm.metadata.name),
    ["web-0", "web-1", "web-2"],
  );
  for (const vm of made) {
    assert.equal(vm.metadata.labels?.["app"], "web");
    assert.equal(vm.metadata.labels[revisionLabel], set.status?.updateRevision);
    assert.equal(vm.metadata.ownerReferences?.[0]?.uid, set.metadata.uid);
  }
  const { status } = set;
  assert.deepEqual(
    [status?.replicas, status?.readyReplicas, status?.availableReplicas, status?.updatedReplicas, status?.selector],
    [3, 3, 3, 3, "app=web"],
  );
  assert.equal(status?.updateStatus?.phase, "Completed");
});

test("a change of the template replaces every machine, with one more meanwhile, and never fewer available than declared", async (t) => {
  const { complete, toImage, images, names, until, set, client } = await lab(t);
  await complete();
  await toImage("v2");
  const fewest: number[] = [];
  const most: string[] = [];
  await until("it is rolled out", async () => {
    const { status, metadata } = await set();
    if (status?.observedGeneration !== metadata.generation) return false;
    fewest.push(status?.availableReplicas ?? 0);
    most.push(await names());
    return findCondition(status?.conditions, "Ready")?.status === "True";
  });
  assert.equal(await images(), "v2 v2 v2");
  assert.ok(Math.min(...fewest) >= 3, `available at times: ${fewest.join()}`);
  assert.ok(
    most.some((each) => each.includes("web-3")),
    "one more was made",
  );
  assert.equal(await names(), "web-0 web-1 web-2");
  const events = (await client.list(Event, { namespace })).items.map(({ reason }) => reason);
  assert.ok(events.includes("RolloutComplete"));
});

test("a template that does not come up stops the rollout, which says so when it is late; going back mends it", async (t) => {
  const { complete, toImage, images, hold, until, reasonOf, clock, client, set } = await lab(t, {
    updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    progressDeadlineSeconds: 600,
  });
  await complete();
  const first = (await set()).status?.updateRevision;
  hold((vm) => vm.spec.imageRef?.name === "bad");
  await toImage("bad");
  await until("one is replaced", async () => (await images()) === "v1 v1 bad");
  await clock.advance(601_000);
  await until("it is late", async () => (await reasonOf("Progressing")) === "ProgressDeadlineExceeded");
  assert.equal(await images(), "v1 v1 bad");
  const revisions = (await client.list(VMSetRevision, { namespace })).items;
  assert.deepEqual(new Set(revisions.map(({ revision }) => revision)), new Set([1, 2]));
  await toImage("v1");
  const healed = await complete();
  assert.equal(await images(), "v1 v1 v1");
  assert.equal(healed.status?.updateRevision, first, "the same template is the same revision");
  const back = (await client.list(VMSetRevision, { namespace })).items.find(({ metadata }) => metadata.name === first);
  assert.equal(back?.revision, 3);
});

test("a paused set scales but does not roll; resumed, it does", async (t) => {
  const { complete, patch, toImage, images, until } = await lab(t, { updateStrategy: parallel });
  await complete();
  await patch({ paused: true, replicas: 4 });
  await toImage("v2");
  await until("it scales", async () => (await images()) === "v1 v1 v1 v1");
  await patch({ paused: false });
  await complete();
  assert.equal(await images(), "v2 v2 v2 v2");
});

test("below the partition the earlier template stays", async (t) => {
  const { complete, patch, toImage, images, set } = await lab(t, {
    updateStrategy: { rollingUpdate: { partition: 2, podManagementPolicy: "Parallel" } },
  });
  const before = await complete();
  await toImage("v2");
  await complete();
  assert.equal(await images(), "v1 v1 v2");
  assert.equal((await set()).status?.currentRevision, before.status?.currentRevision);
  await patch({ updateStrategy: { rollingUpdate: { partition: 0 } } });
  const after = await complete();
  assert.equal(await images(), "v2 v2 v2");
  assert.equal(after.status?.currentRevision, after.status?.updateRevision);
});

test("fewer wanted: the highest go; none: all go", async (t) => {
  const { complete, patch, names } = await lab(t, { replicas: 4 });
  await complete();
  await patch({ replicas: 1 });
  await complete();
  assert.equal(await names(), "web-0");
  await patch({ replicas: 0 });
  await complete();
  assert.equal(await names(), "");
});

test("a machine counts as available once it has been Ready for minReadySeconds", async (t) => {
  const { until, set, clock, names } = await lab(t, { minReadySeconds: 60 });
  await until("the first is ready", async () => (await set()).status?.readyReplicas === 1);
  assert.equal((await set()).status?.availableReplicas, 0);
  assert.equal(await names(), "web-0");
  await clock.advance(61_000);
  await until("the second is made", async () => (await names()) === "web-0 web-1");
});

test("broken machines are replaced where that is asked for, but not when too many are", async (t) => {
  const { complete, setReady, clock, machines, until, reasonOf, set } = await lab(t, {
    healing: { unhealthyAfter: "10m", maxUnhealthy: 1 },
    updateStrategy: parallel,
  });
  await complete();
  const uidOf = async (index: number) => (await machines())[index]?.metadata.uid;
  const before = await uidOf(1);
  await setReady("web-1", "False", "Failed");
  await until("it is seen", async () => (await set()).status?.readyReplicas === 2);
  await clock.advance(599_000);
  assert.equal(await uidOf(1), before);
  await clock.advance(2_000);
  await until("it is replaced", async () => ![undefined, before].includes(await uidOf(1)));
  await complete();
  const all = (await machines()).map((vm) => vm.metadata.uid);
  for (const name of ["web-0", "web-2"]) await setReady(name, "False", "Failed");
  await until("both are seen", async () => (await set()).status?.readyReplicas === 1);
  await clock.advance(601_000);
  await until("it says why not", async () =>
    /more than maxUnhealthy/.test((await set()).status?.updateStatus?.message ?? ""),
  );
  assert.deepEqual(
    (await machines()).map((vm) => vm.metadata.uid),
    all,
  );
  assert.equal(await reasonOf("Available"), "MinimumUnavailable");
});

test("a VM of the same name that is not the set's is left alone, and the set says so and goes on when it is gone", async (t) => {
  const { client, until, reasonOf, complete, names, clock } = await lab(t, { replicas: 0 });
  await complete();
  await client.create(VirtualMachine, machine("web-1", { imageRef: { name: "other" } }));
  await client.mergePatch(VMSet, { namespace, name: "web" }, { spec: { replicas: 2 } });
  await until("it says so", async () => (await reasonOf("ReplicaFailure")) === "NameTaken");
  const other = await client.get(VirtualMachine, { namespace, name: "web-1" });
  assert.equal(other.spec.imageRef?.name, "other");
  await client.delete(VirtualMachine, { namespace, name: "web-1" });
  await clock.advance(11_000);
  await complete();
  assert.equal(await names(), "web-0 web-1");
});

test("what cannot be meant is told by field, and changes nothing", async (t) => {
  const { complete, patch, until, set, names } = await lab(t);
  await complete();
  const says = (pattern: RegExp) =>
    until(String(pattern), async () =>
      pattern.test(findCondition((await set()).status?.conditions, "Ready")?.message ?? ""),
    );
  await patch({
    selector: { matchLabels: { tier: "x" }, matchExpressions: [{ key: "app", operator: "In", values: ["db"] }] },
  });
  await says(/label app is "web", spec\.selector wants app in \(db\)/);
  await patch({ selector: { matchLabels: { ...app, tier: null }, matchExpressions: null } });
  await patch({ updateStrategy: { rollingUpdate: { maxSurge: "200%" } } });
  await says(/spec\.updateStrategy\.rollingUpdate\.maxSurge: .*"200%"/);
  assert.equal(await names(), "web-0 web-1 web-2");
});

test("each machine gets its own Volumes, its name and its number; Volumes are kept or deleted as declared", async (t) => {
  const { complete, patch, client, machines, until } = await lab(t, {
    replicas: 2,
    template: {
      metadata: { labels: app },
      spec: { imageRef: { name: "v1" }, tags: ["node-$(VM_ORDINAL)", "$(VM_NAME).lan", "$(OTHER)"] },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: "data" },
        spec: { storageClassName: "fast", resources: { requests: { storage: "5Gi" } } },
      },
    ],
  });
  const volumes = async () =>
    (await client.list(Volume, { namespace })).items
      .map(({ metadata }) => metadata.name)
      .sort()
      .join(" ");
  const set = await complete();
  const [, second] = await machines();
  assert.deepEqual(second?.spec.tags, ["node-1", "web-1.lan", "$(OTHER)"]);
  assert.deepEqual(
    second?.spec.disks?.map(({ name, volumeRef }) => [name, volumeRef?.name]),
    [["data", "data-web-1"]],
  );
  assert.equal(await volumes(), "data-web-0 data-web-1");
  const volume = await client.get(Volume, { namespace, name: "data-web-1" });
  assert.deepEqual(
    [volume.spec.poolRef.name, volume.spec.size, volume.metadata.ownerReferences],
    ["fast", "5Gi", undefined],
  );
  await patch({ replicas: 1 });
  await complete();
  assert.equal(await volumes(), "data-web-0 data-web-1", "kept, for when it is wanted again");
  await patch({ persistentVolumeClaimRetentionPolicy: { whenScaled: "Delete", whenDeleted: "Delete" } });
  await until("it is deleted", async () => (await volumes()) === "data-web-0");
  const owner = (await client.get(Volume, { namespace, name: "data-web-0" })).metadata.ownerReferences?.[0];
  assert.equal(owner?.uid, set.metadata.uid);
});

test("revisions beyond the limit go, those in use stay", async (t) => {
  const { complete, toImage, client } = await lab(t, {
    replicas: 1,
    revisionHistoryLimit: 1,
    updateStrategy: parallel,
  });
  await complete();
  for (const image of ["v2", "v3", "v4"]) {
    await toImage(image);
    await complete();
  }
  const kept = (await client.list(VMSetRevision, { namespace })).items;
  assert.deepEqual(new Set(kept.map(({ template }) => template.spec.imageRef?.name)), new Set(["v3", "v4"]));
});
