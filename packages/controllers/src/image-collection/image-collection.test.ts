import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Provider, VMImage } from "@vivarium/api";
import { controllersLab, image, provider } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { cachedImage } from "../testing/scripted-image-cache.ts";
import { createImageCollectionController } from "./image-collection.ts";

const key = { namespace: "default", name: "lab" };

async function lab(t: TestContext, spec: Partial<Provider["spec"]> = {}) {
  const base = await controllersLab(t);
  const { manager, providers, clock, client, hypervisor } = base;
  base.run(createImageCollectionController({ manager, providers, clock }));
  const { images, disks } = hypervisor.open();
  const put = (digit: string) => images.import({ ...cachedImage, digest: digestOf(digit) });
  const [meant, free, backed] = [await put("a"), await put("b"), await put("c")];
  const vm = { namespace: "other", name: "web", uid: "00000000-0000-4000-8000-000000000001" };
  await disks.ensureRoot(vm, { name: "root", imageId: backed.id });
  const source = { libvirt: { url: "https://images.example/a" } };
  const debian = await client.create(VMImage, image("debian", { source }));
  await client.updateStatus(VMImage, { ...debian, status: { digest: digestOf("a") } });
  await client.create(Provider, provider("lab", spec));
  await base.until(Provider, "lab", (each) => each.status?.healthy);
  const ask = (mode: string, time = "1") =>
    client.mergePatch(Provider, key, {
      metadata: {
        annotations: { "vivarium.dev/collect-images": mode, "vivarium.dev/collect-images-requested-at": time },
      },
    });
  const answer = async (mode: string, time = "1") => {
    const { status } = await base.until(
      Provider,
      "lab",
      (each) => each.status?.imageCollection?.request === JSON.stringify([mode, time]),
    );
    return status?.imageCollection ?? {};
  };
  const isThere = async (digit: string) => (await images.find(digestOf(digit))) !== undefined;
  return { ...base, ids: { meant: meant.id, free: free.id, backed: backed.id }, ask, answer, isThere, disks, vm };
}

function digestOf(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

test("a dry run tells what would go and what is in use, and removes nothing", async (t) => {
  const { ask, answer, isThere, ids } = await lab(t);
  await ask("dry-run");
  const found = await answer("dry-run");
  assert.deepEqual(
    found.images?.map(({ id, verdict, usedBy }) => ({ id, verdict, usedBy })),
    [
      { id: ids.free, verdict: "Unused", usedBy: undefined },
      { id: ids.backed, verdict: "InUse", usedBy: ["other_web.00000000.root.qcow2"] },
    ],
  );
  assert.match(found.message ?? "", /1 would be removed \(400 MiB\), 1 still in use \(400 MiB\)/);
  assert.equal(await isThere("b"), true);
});

test("a collection removes what nothing needs, never what a VMImage means or a disk backs onto", async (t) => {
  const { ask, answer, isThere, ids, disks, vm } = await lab(t);
  await ask("true");
  const found = await answer("true");
  assert.deepEqual(
    found.images?.map(({ id, verdict }) => [id, verdict]),
    [
      [ids.free, "Removed"],
      [ids.backed, "InUse"],
    ],
  );
  assert.deepEqual(await Promise.all(["a", "b", "c"].map(isThere)), [true, false, true]);
  await disks.remove(vm);
  await ask("true", "2");
  const later = await answer("true", "2");
  assert.deepEqual(
    later.images?.map(({ id, verdict }) => [id, verdict]),
    [[ids.backed, "Removed"]],
  );
  assert.equal(await isThere("c"), false);
});

test("a wish is carried out once, also when what it removes comes back", async (t) => {
  const { ask, answer, isThere, hypervisor, clock } = await lab(t);
  await ask("true");
  await answer("true");
  await hypervisor.open().images.import({ ...cachedImage, digest: digestOf("b") });
  await clock.advance(86_400_000);
  assert.equal(await isThere("b"), true);
});

test("an image that is unused for as long as the spec says goes by itself, and the others stay", async (t) => {
  const { isThere, clock } = await lab(t, { imageCollection: { unusedFor: "2h" } });
  await eventually(async () => {
    await clock.advance(600_000);
    return !(await isThere("b"));
  }, "the image goes");
  assert.equal(await isThere("a"), true);
  assert.equal(await isThere("c"), true);
});

test("a host that cannot be asked is named, and nothing is removed on the strength of half a look", async (t) => {
  const { ask, until, hypervisor, isThere, clock, answer } = await lab(t);
  hypervisor.fail("images.list", { code: "Unavailable", message: "the host does not answer" });
  await ask("true");
  const object = await until(Provider, "lab", (each) => each.status?.imageCollection?.message !== undefined);
  assert.match(object.status?.imageCollection?.message ?? "", /Cannot look for images: the host does not answer/);
  assert.equal(await isThere("b"), true);
  await clock.advance(10_000);
  await answer("true");
  assert.equal(await isThere("b"), false);
});

test("another word in the annotation is refused with those that are known", async (t) => {
  const { ask, answer, isThere } = await lab(t);
  await ask("yes");
  assert.match((await answer("yes")).message ?? "", /is "yes", expected true or dry-run/);
  assert.equal(await isThere("b"), true);
});
