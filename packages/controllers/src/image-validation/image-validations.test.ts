import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Event, findCondition, Provider, validateImageAnnotation, VirtualMachine, VMImage } from "@vivarium/api";
import type { Condition } from "@vivarium/api";
import { imageOnProvider } from "../image-on-provider.ts";
import { controllersLab, image, machine, provider } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { LayersLab } from "../testing/layers-lab.ts";
import { cachedImage, ScriptedImageCache } from "../testing/scripted-image-cache.ts";
import { createVmImageController } from "../vm-image.ts";

const key = { namespace: "default", name: "debian" };

/** An image that is on the hypervisor, since a machine uses it. */
async function lab(t: TestContext) {
  const base = await controllersLab(t);
  const { manager, providers: registry, clock, client, hypervisor } = base;
  const imageCache = new ScriptedImageCache({ isImmediate: true });
  base.run(createVmImageController({ manager, registry, imageCache, clock }));
  await client.create(Provider, provider("lab"));
  await client.create(
    VMImage,
    image("debian", { source: { libvirt: { url: "https://images.example/debian.qcow2" } } }),
  );
  const vm = await client.create(VirtualMachine, machine("web", { imageRef: { name: "debian" } }));
  const until = (isSo: (object: VMImage) => boolean | undefined) => base.until(VMImage, "debian", isSo);
  const validate = async (time: string): Promise<VMImage> => {
    await client.mergePatch(VMImage, key, { metadata: { annotations: { [validateImageAnnotation]: time } } });
    return until(({ status }) => status?.lastValidationRequest === time);
  };
  const eventsOf = async (reason: string) =>
    (await client.list(Event, { namespace: "default" })).items.filter((each) => each.reason === reason);
  await until(({ status }) => status?.ready);
  const file = hypervisor.world.images.get(cachedImage.digest);
  assert.ok(file);
  const write = (data?: string): void => {
    hypervisor.world.images.set(cachedImage.digest, { ...file, ...(data === undefined ? {} : { data }) });
  };
  return { ...base, vm, until, validate, eventsOf, write };
}

function condition(object: VMImage, type: string): Pick<Condition, "status" | "reason"> {
  const { status = "Unknown", reason = "" } = findCondition(object.status?.conditions, type) ?? {};
  return { status, reason };
}

test("an image whose bytes are what they were is Verified, and stays Ready", async (t) => {
  const { validate, hypervisor } = await lab(t);
  const object = await validate("1");
  assert.deepEqual(condition(object, "Verified"), { status: "True", reason: "Intact" });
  assert.deepEqual(condition(object, "Ready"), { status: "True", reason: "Prepared" });
  assert.equal(object.status?.verification?.["lab"]?.outcome, "Intact");
  assert.equal(hypervisor.calls.filter(({ method }) => method === "layers.measure").length, 1);
});

test("a damaged file makes the image not ready, warns the machines upon it, and is left where it is until it is whole again", async (t) => {
  const { validate, eventsOf, until, write, hypervisor } = await lab(t);
  write("rot");
  const object = await validate("1");
  assert.deepEqual(condition(object, "Verified"), { status: "False", reason: "Damaged" });
  assert.deepEqual(condition(object, "Ready"), { status: "False", reason: "Damaged" });
  assert.equal(object.status?.ready, false);
  assert.match(object.status.message ?? "", /on lab is damaged: its digest is sha256:[0-9a-f]{64}, expected sha256:a+/);
  assert.equal(imageOnProvider(object, { namespace: "default", name: "lab" }).kind, "missing");
  const [warning] = await eventually(
    async () => {
      const events = await eventsOf("ImageDamaged");
      return events.length > 0 && events;
    },
    "the warning",
    { withinMs: 60_000 },
  );
  assert.equal(warning?.involvedObject.name, "web");
  assert.match(warning.message ?? "", /backs onto VMImage "debian"/);
  const unchanged = hypervisor.calls.filter(({ method }) => /^images\.(import|remove|discard)$/.test(method));
  assert.equal(unchanged.length, 1, "brought once, and neither removed nor brought again");

  const again = await validate("2");
  assert.deepEqual(findCondition(again.status?.conditions, "Ready"), findCondition(object.status.conditions, "Ready"));
  assert.equal(again.status?.lastPrepareTime, object.status.lastPrepareTime);

  write();
  await validate("3");
  const whole = await until(({ status }) => status?.ready);
  assert.deepEqual(whole.status?.availableOn, ["lab"]);
  assert.deepEqual(condition(whole, "Verified"), { status: "True", reason: "Intact" });
});

test("what was found damaged stays so while it cannot be read", async (t) => {
  const { validate, write, hypervisor } = await lab(t);
  write("rot");
  await validate("1");
  hypervisor.fail("layers.measure", { code: "Unavailable" });
  const object = await validate("2");
  assert.equal(object.status?.verification?.["lab"]?.outcome, "Damaged");
  assert.equal(object.status.ready, false);
});

test("a file that is gone is told, and brought again for the machine that uses it", async (t) => {
  const { validate, eventsOf, until, hypervisor } = await lab(t);
  hypervisor.world.images.delete(cachedImage.digest);
  const object = await validate("1");
  assert.deepEqual(condition(object, "Verified"), { status: "False", reason: "Missing" });
  const back = await until(({ status }) => status?.ready);
  assert.equal(back.status?.verification, undefined, "the new file was not read yet");
  assert.equal(hypervisor.world.images.has(cachedImage.digest), true);
  assert.equal((await eventsOf("ImageMissing"))[0]?.involvedObject.name, "web");
});

test("machines that are made are warned once when their image is gone", async (t) => {
  const { client, vm, eventsOf, stop, manager } = await lab(t);
  await client.updateStatus(VirtualMachine, { ...vm, status: { domain: "default_web" } });
  await eventually(() => manager.cache(VirtualMachine).get({ ...key, name: "web" })?.status?.domain, "the domain");
  await client.delete(VMImage, key);
  const events = await eventually(
    async () => {
      const found = await eventsOf("ImageGone");
      return found.length > 0 && found;
    },
    "the warning",
    { withinMs: 60_000 },
  );
  await client.mergePatch(VirtualMachine, { ...key, name: "web" }, { metadata: { labels: { changed: "yes" } } });
  await stop();
  assert.equal(events.length, 1);
  assert.equal((await eventsOf("ImageGone"))[0]?.count ?? 1, 1);
});

test("a reading that a kill of the server interrupts is done after the next start", async (t) => {
  const lab = await LayersLab.start(t);
  await lab.vm("web", { imageRef: { name: "debian" } });
  await lab.until(VMImage, "debian", ({ status }) => status?.ready);
  lab.sim.hang("layers.measure");
  await lab.client.mergePatch(VMImage, key, { metadata: { annotations: { [validateImageAnnotation]: "1" } } });
  const reading = await lab.until(VMImage, "debian", (each) => condition(each, "Verified").reason === "Verifying");
  assert.equal(reading.status?.ready, true, "an image can be used while it is read");
  await lab.restart();
  const read = await lab.until(VMImage, "debian", ({ status }) => status?.lastValidationRequest === "1");
  assert.deepEqual(condition(read, "Verified"), { status: "True", reason: "Intact" });
});
