import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfigMap,
  findCondition,
  ImageBuild,
  retryBuildAnnotation,
  roleChoiceAnnotation,
  VirtualMachine,
  VMImage,
} from "@vivarium/api";
import { image } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { LayersLab } from "../testing/layers-lab.ts";

const noMachines = async (lab: LayersLab): Promise<boolean> =>
  (await lab.list(VirtualMachine)).every(({ metadata }) => !metadata.name.startsWith("build-"));

test("a role is built in a machine from its parent, which is removed when its disk is an image", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  const guest = await lab.guestOf("web");
  const vm = (await lab.list(VirtualMachine)).find(({ metadata }) => metadata.uid === guest.uid);
  assert.equal(vm?.spec.imageRef?.name, "debian");
  guest.say("step 1/4 install 1 package");
  const building = await lab.until(ImageBuild, "web", ({ status }) => status?.step === "1/4 install 1 package");
  assert.equal(building.status?.phase, "Building");
  guest.say("step 4/4 clean", "done");
  const build = await lab.untilPhase("web", "Succeeded");
  assert.equal(build.status?.isCached, false);
  assert.ok(await noMachines(lab));
  const image = await lab.until(VMImage, build.status?.image ?? "", ({ status }) => status?.ready);
  assert.equal(image.status?.digest, build.status?.digest);
  assert.equal(image.status?.source, "layer");
  assert.match(image.status.checksum ?? "", /^sha256:/);
  assert.equal(image.status.size, build.status?.size);
  const made = lab.sim.world.images.get(build.status?.digest ?? "");
  assert.equal(made?.data, "made by web");
  const log = await lab.find(ConfigMap, build.status?.logConfigMap ?? "");
  assert.match(log?.data?.["log"] ?? "", /step 4\/4 clean/);
});

test("where nobody answers at its repository it ends at once, without a machine, and a retry asks again", async (t) => {
  const lab = await LayersLab.start(t);
  const release = "https://packages.example/deb/Release";
  lab.silentUrls.add(release);
  const repositories = [{ name: "example", uri: "https://packages.example/deb/", suite: "/" }];
  await lab.role("base", { packages: ["curl"] });
  await lab.role("far", { parent: { roleRef: { name: "base" } }, repositories, packages: ["far"] });
  await lab.build("far");
  const failed = await lab.untilPhase("far", "Failed");
  assert.equal(failed.status?.message, `Nobody answers at ${release} (ENOTFOUND), which it needs; no machine was made`);
  assert.equal(findCondition(failed.status.conditions, "Complete")?.reason, "RepositoryUnreachable");
  assert.ok(await noMachines(lab));
  // Nor is anything made for its parents.
  assert.deepEqual(
    (await lab.list(ImageBuild)).map(({ metadata }) => metadata.name),
    ["far"],
  );
  assert.equal((await lab.find(VMImage, "debian"))?.status?.ready ?? false, false);
  lab.silentUrls.clear();
  await lab.client.mergePatch(
    ImageBuild,
    { namespace: "default", name: "far" },
    { metadata: { annotations: { [retryBuildAnnotation]: "1" } } },
  );
  await lab.until(ImageBuild, "far", ({ status }) => status?.phase === "WaitingForParent");
});

test("what is there is not built again, and says so", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  await lab.finish("web");
  await lab.build("again", { roleRef: { name: "web" } });
  const again = await lab.untilPhase("again", "Succeeded");
  assert.equal(again.status?.isCached, true);
  assert.equal(again.status.vm, undefined);
});

test("two machines that need one image at once get it from one build", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await Promise.all([lab.vm("a", { roleRef: { name: "web" } }), lab.vm("b", { roleRef: { name: "web" } })]);
  const builds = await lab
    .until(VMImage, "debian", ({ status }) => status?.ready)
    .then(async () => {
      await lab.until(VirtualMachine, "a", ({ status }) => status?.message?.includes("ImageBuild") === true);
      return lab.list(ImageBuild);
    });
  assert.equal(builds.length, 1);
  await lab.finish(builds[0]?.metadata.name ?? "");
  for (const name of ["a", "b"]) await lab.until(VirtualMachine, name, ({ status }) => status?.powerState === "On");
  assert.equal((await lab.list(ImageBuild)).length, 1);
  const seals = lab.sim.calls.filter(({ method }) => method === "layers.seal");
  assert.equal(seals.length, 1);
});

test("a role upon a role: the lower layer is built first, and the upper one upon it", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("base", { packages: ["curl"] });
  await lab.role("web", { parent: { roleRef: { name: "base" } }, packages: ["nginx"] });
  await lab.vm("a", { roleRef: { name: "web" } });
  const first = await lab.until(ImageBuild, await buildOf(lab, "base"), ({ status }) => status?.vm !== undefined);
  assert.equal(first.status?.parent, "debian");
  await lab.finish(first.metadata.name);
  const second = await lab.until(ImageBuild, await buildOf(lab, "web"), ({ status }) => status?.vm !== undefined);
  assert.equal(second.status?.parent, first.status.image);
  await lab.finish(second.metadata.name);
  await lab.until(VirtualMachine, "a", ({ status }) => status?.powerState === "On");
});

/** Name of the first build for a role. */
function buildOf(lab: LayersLab, role: string): Promise<string> {
  return eventually(
    async () => (await lab.list(ImageBuild)).find(({ status }) => status?.role === role)?.metadata.name,
    `a build for role ${role}`,
    { withinMs: 60_000 },
  );
}

test("a recipe that fails ends the build with the step and what it said, and is not tried again by itself", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web", { keepOnFailure: true });
  const guest = await lab.guestOf("web");
  guest.say("step 2/4 install 1 package");
  const domain = lab.sim.world.domains.get(guest.uid);
  assert.ok(domain);
  domain.serialLog += "E: Unable to locate package nginx\r\n";
  guest.say("failed 2/4 exit status 100");
  const build = await lab.untilPhase("web", "Failed");
  const complete = findCondition(build.status?.conditions, "Complete");
  assert.equal(complete?.reason, "RecipeFailed");
  assert.match(complete.message, /2\/4 install 1 package: exit status 100; last it said: E: Unable to locate package/);
  assert.equal(await noMachines(lab), false, "the machine is kept for a look");
  await lab.client.mergePatch(
    ImageBuild,
    { namespace: "default", name: "web" },
    { metadata: { annotations: { [retryBuildAnnotation]: "1" } } },
  );
  await lab.until(ImageBuild, "web", ({ status }) => status?.lastRetryRequest === "1");
  await lab.finish("web");
});

test("a repository that does not answer is named, and its reason is its own", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  (await lab.guestOf("web")).say(
    "step 1/4 look",
    "unreachable https://packages.example.com",
    "failed 1/4 exit status 1",
  );
  const build = await lab.untilPhase("web", "Failed");
  assert.equal(findCondition(build.status?.conditions, "Complete")?.reason, "RepositoryUnreachable");
  assert.match(build.status?.message ?? "", /https:\/\/packages\.example\.com/);
  assert.ok(await lab.until(ImageBuild, "web", () => true));
});

test("a build that hangs is given up after its time, tried once more, and then fails saying where", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web", { timeout: "2h", retries: 1 });
  (await lab.guestOf("web")).say("step 1/4 install 1 package");
  await lab.until(ImageBuild, "web", ({ status }) => status?.step?.startsWith("1/4"));
  await lab.clock.advance(7_200_000);
  await lab.until(ImageBuild, "web", ({ status }) => status?.attempt === 2);
  (await lab.guestOf("web")).say("step 3/4 verify");
  await lab.until(ImageBuild, "web", ({ status }) => status?.step?.startsWith("3/4"));
  await lab.clock.advance(7_200_000);
  const build = await lab.untilPhase("web", "Failed");
  assert.match(build.status?.message ?? "", /within 7200 s: it hung at step 3\/4 verify/);
});

test("a machine that is killed is replaced", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  const guest = await lab.guestOf("web");
  guest.say("step 1/4 install 1 package");
  lab.sim.stopFromOutside(guest.uid, "destroyed");
  await lab.until(ImageBuild, "web", ({ status }) => status?.attempt === 2);
  const build = await lab.finish("web");
  assert.equal(build.status?.attempt, 2);
});

test("a full disk while sealing fails the build with that, and nothing is registered", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  lab.sim.fail("layers.seal", { times: 10, code: "NoSpace", message: "The pool is full" });
  (await lab.guestOf("web")).say("step 1/1 install", "done");
  const build = await lab.untilPhase("web", "Failed");
  assert.match(build.status?.message ?? "", /The pool is full/);
  assert.equal(lab.sim.world.images.has(build.status?.digest ?? ""), false);
  assert.notEqual((await lab.find(VMImage, build.status?.image ?? ""))?.status?.ready, true);
});

test("a parent that is deleted meanwhile ends the build", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  (await lab.guestOf("web")).say("step 1/4 install 1 package");
  await lab.client.delete(VMImage, { namespace: "default", name: "debian" });
  const build = await lab.untilPhase("web", "Failed");
  assert.equal(findCondition(build.status?.conditions, "Complete")?.reason, "ParentGone");
});

test("a role's plain image that is deleted while its build goes on is made anew, and the build with it", async (t) => {
  const lab = await LayersLab.start(t);
  const plain = { name: "plain", distribution: "debian" as const, url: "https://images.example/plain.qcow2" };
  await lab.role("web", { parent: { images: [plain] }, packages: ["nginx"] });
  await lab.vm("a", { roleRef: { name: "web" } });
  const before = await lab.until(VMImage, "plain", () => true);
  const first = await buildOf(lab, "web");
  await lab.guestOf(first);
  await lab.client.delete(VMImage, { namespace: "default", name: "plain" });
  await lab.until(VMImage, "plain", ({ metadata }) => metadata.uid !== before.metadata.uid);
  const build = await eventually(
    async () =>
      (await lab.list(ImageBuild)).find(({ status }) => status?.phase === "Starting" || status?.phase === "Building"),
    "another build",
    { withinMs: 60_000 },
  );
  await lab.finish(build.metadata.name);
  await lab.until(VirtualMachine, "a", ({ status }) => status?.powerState === "On");
});

test("a machine that somebody else made under its name is left alone", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.kill();
  await lab.role("web", { packages: ["nginx"] });
  const { metadata } = await lab.build("web");
  const name = `build-${(metadata.uid ?? "").slice(0, 8)}-1`;
  await lab.vm(name, { imageRef: { name: "debian" } });
  lab.boot();
  const build = await lab.untilPhase("web", "Failed");
  assert.equal(findCondition(build.status?.conditions, "Complete")?.reason, "NameConflict");
  assert.ok(await lab.find(VirtualMachine, name));
});

test("an unknown role fails at once, and says where it was looked for", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.build("dcker");
  const build = await lab.untilPhase("dcker", "Failed");
  assert.match(build.status?.message ?? "", /There is no VMRole "dcker"/);
  await lab.vm("web", { roleRef: { name: "dcker" } });
  await lab.until(VirtualMachine, "web", ({ status }) => status?.message?.includes('There is no VMRole "dcker"'));
});

test("no more build at once than may, the more urgent first", async (t) => {
  const lab = await LayersLab.start(t, { mostAtOnce: 1 });
  for (const name of ["one", "two", "three"]) await lab.role(name, { packages: [name] });
  await lab.build("one");
  await lab.guestOf("one");
  await lab.build("two");
  await lab.build("three", { priority: 10 });
  await lab.until(ImageBuild, "two", ({ status }) => status?.queuePosition === 2);
  await lab.until(ImageBuild, "three", ({ status }) => status?.queuePosition === 1);
  await lab.finish("one");
  await lab.guestOf("three");
  assert.equal((await lab.find(ImageBuild, "two"))?.status?.phase, "Queued");
});

test("a build that is cancelled leaves nothing", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  await lab.guestOf("web");
  await lab.client.mergePatch(ImageBuild, { namespace: "default", name: "web" }, { spec: { cancelled: true } });
  await lab.untilPhase("web", "Cancelled");
  assert.ok(await noMachines(lab));
  assert.equal(lab.sim.world.domains.size, 0);
});

test("what another build of the recipe took tells how long this one takes", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.build("web");
  (await lab.guestOf("web")).say("step 1/2 install");
  const first = await lab.finish("web");
  assert.ok(first.status?.duration);
  await lab.sim.open().images.remove(first.status.digest ?? "");
  await lab.build("again", { roleRef: { name: "web" } });
  const again = await lab.until(
    ImageBuild,
    "again",
    ({ status }) => status?.vm !== undefined && status.percentage !== undefined,
  );
  assert.ok((again.status?.percentage ?? -1) >= 0);
});

for (const at of ["begun", "machine", "step", "done", "sealed"] as const) {
  test(`a server that dies when a build is ${at} goes on with it`, async (t) => {
    const lab = await LayersLab.start(t);
    await lab.role("web", { packages: ["nginx"] });
    await lab.build("web");
    if (at === "begun") {
      await lab.until(ImageBuild, "web", ({ status }) => status?.attempt === 1);
      await lab.restart();
    }
    const guest = await lab.guestOf("web");
    if (at === "machine") await lab.restart();
    guest.say("step 1/2 install");
    await lab.until(ImageBuild, "web", ({ status }) => status?.step !== undefined);
    if (at === "step") await lab.restart();
    if (at === "sealed") lab.sim.loseAnswer("layers.seal");
    guest.say("step 2/2 clean", "done");
    if (at === "done" || at === "sealed") {
      await lab.until(ImageBuild, "web", ({ status }) => status?.record?.["stage"] === "built");
      await lab.restart();
    }
    const build = await lab.untilPhase("web", "Succeeded");
    assert.equal(build.status?.attempt, 1);
    assert.equal(lab.sim.world.images.get(build.status.digest ?? "")?.data, "made by web");
  });
}

test("a machine that is to be provisioned gets the plain image and does all of it at its first boot", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.vm("a", { roleRef: { name: "web" }, onMissingRoleImage: "Provision" });
  const vm = await lab.until(VirtualMachine, "a", ({ status }) => status?.powerState === "On");
  assert.equal(vm.spec.imageRef?.name, "debian");
  assert.match(vm.spec.userData?.vendorData?.inline ?? "", /^#!\/bin\/sh/);
  assert.match(vm.metadata.annotations?.[roleChoiceAnnotation] ?? "", /provisioned at its first boot/);
  assert.equal((await lab.list(ImageBuild)).length, 0);
});

test("a machine that wants the image to be there says what it lacks, and an image of the role's own name is taken", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"], imageNames: ["golden"] });
  await lab.vm("a", { roleRef: { name: "web" }, onMissingRoleImage: "Fail" });
  await lab.until(VirtualMachine, "a", ({ status }) => status?.message?.includes("spec.onMissingRoleImage is Fail"));
  await lab.client.create(
    VMImage,
    image("golden", { source: { libvirt: { url: "https://images.example/golden.qcow2" } } }),
  );
  const vm = await lab.until(VirtualMachine, "a", ({ status }) => status?.powerState === "On");
  assert.equal(vm.spec.imageRef?.name, "golden");
});

test("a layer whose parent is to be deleted stays while it is used, and leaves nothing when it is deleted", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.vm("a", { roleRef: { name: "web" } });
  const build = await lab.finish(await buildOf(lab, "web"));
  await lab.until(VirtualMachine, "a", ({ status }) => status?.powerState === "On");
  await lab.client.delete(VMImage, { namespace: "default", name: "debian" });
  await lab.until(VMImage, "debian", ({ status }) => status?.message?.startsWith("Cannot be deleted"));
  const name = build.status?.image ?? "";
  const key = { namespace: "default", name };
  await lab.client.mergePatch(VMImage, key, { metadata: { annotations: { look: "again" } } });
  await lab.client.delete(VirtualMachine, { namespace: "default", name: "a" });
  await eventually(async () => (await lab.find(VirtualMachine, "a")) === undefined, "VM a is gone", {
    withinMs: 60_000,
  });
  await lab.client.delete(VMImage, key);
  for (const each of [name, "debian"]) {
    await eventually(async () => (await lab.find(VMImage, each)) === undefined, `${each} is gone`, {
      withinMs: 60_000,
    });
  }
  assert.equal(lab.sim.world.images.size, 0);
});
