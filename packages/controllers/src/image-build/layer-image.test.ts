import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, ImageBuild, validateImageAnnotation, VirtualMachine, VMImage } from "@vivarium/api";
import { LayersLab } from "../testing/layers-lab.ts";

test("a layer whose file is gone is not built again while a machine's disk needs those bytes, and is when none does", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.role("web", { packages: ["nginx"] });
  await lab.vm("a", { roleRef: { name: "web" } });
  const { status } = await lab.until(VirtualMachine, "a", (vm) => vm.status?.message?.includes("ImageBuild") === true);
  const [build] = await lab.list(ImageBuild);
  const { status: built } = await lab.finish(build?.metadata.name ?? status?.message ?? "");
  await lab.until(VirtualMachine, "a", (vm) => vm.status?.powerState === "On");
  const name = built?.image ?? "";
  const digest = built?.digest ?? "";
  const whole = await lab.until(VMImage, name, (each) => each.status?.ready);
  const file = lab.sim.world.images.get(digest);
  assert.ok(file);

  lab.sim.world.images.delete(digest);
  const key = { namespace: "default", name };
  await lab.client.mergePatch(VMImage, key, { metadata: { annotations: { [validateImageAnnotation]: "1" } } });
  const lost = await lab.until(VMImage, name, (each) => readyReason(each) === "FileLost");
  assert.match(lost.status?.message ?? "", /is gone from sim, and .*a.* backs onto it: put it back/);
  assert.equal(lost.status?.providerStatus?.["sim"]?.path, whole.status?.providerStatus?.["sim"]?.path);
  await lab.restart();
  await lab.until(VMImage, name, (each) => readyReason(each) === "FileLost");
  assert.equal((await lab.list(ImageBuild)).length, 1);
  assert.equal((await lab.list(ImageBuild))[0]?.status?.phase, "Succeeded");

  lab.sim.world.images.set(digest, file);
  const back = await lab.until(VMImage, name, (each) => each.status?.ready);
  assert.equal(
    back.status?.providerStatus?.["sim"]?.checksum,
    whole.status?.providerStatus?.["sim"]?.checksum,
    "what it has to be stays known",
  );

  lab.sim.world.images.delete(digest);
  await lab.client.mergePatch(VMImage, key, { metadata: { annotations: { [validateImageAnnotation]: "2" } } });
  await lab.until(VMImage, name, (each) => readyReason(each) === "FileLost");
  await lab.client.delete(VirtualMachine, { namespace: "default", name: "a" });
  await lab.vm("b", { roleRef: { name: "web" } });
  const again = await lab.until(
    VMImage,
    name,
    (each) => readyReason(each) === "Queued" || readyReason(each) === "Building",
  );
  assert.equal(again.status?.ready, false);
});

function readyReason({ status }: VMImage): string | undefined {
  return findCondition(status?.conditions, "Ready")?.reason;
}
