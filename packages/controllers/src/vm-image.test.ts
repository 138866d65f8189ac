import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Event, findCondition, Provider, Secret, VirtualMachine, VMImage } from "@vivarium/api";
import { ImageError } from "@vivarium/images";
import { imageOnProvider } from "./image-on-provider.ts";
import { controllersLab, image, machine, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";
import { cachedImage, ScriptedImageCache } from "./testing/scripted-image-cache.ts";
import { createVmImageController } from "./vm-image.ts";

const url = "https://images.example/debian.qcow2";
const urlSource = { source: { libvirt: { url } } };
const bothSources = { source: { libvirt: { url }, debootstrap: {} } };
const key = { namespace: "default", name: "debian" };

async function lab(t: TestContext, spec: VMImage["spec"]) {
  const base = await controllersLab(t);
  const imageCache = new ScriptedImageCache();
  const { manager, providers: registry, clock, client } = base;
  base.run(createVmImageController({ manager, registry, imageCache, clock }));
  await client.create(Provider, provider("lab"));
  await client.create(VMImage, image("debian", spec));
  const use = (name = "web"): Promise<unknown> =>
    client.create(VirtualMachine, machine(name, { imageRef: { name: "debian" } }));
  const fetchAt = (index: number) => eventually(() => imageCache.fetches[index], `fetch ${index}`);
  const until = (isSo: (object: VMImage) => boolean | undefined) => base.until(VMImage, "debian", isSo);
  const untilReady = (status: "True" | "False", reason: string) =>
    until((object) => readyOf(object)?.status === status && readyOf(object)?.reason === reason);
  return { ...base, imageCache, use, fetchAt, until, untilReady };
}

function readyOf(object: VMImage) {
  return findCondition(object.status?.conditions, "Ready");
}

test("an image that no machine uses is not fetched, and says so", async (t) => {
  const { untilReady, imageCache, clock } = await lab(t, urlSource);
  const object = await untilReady("False", "NotUsed");
  await clock.advance(3_600_000);
  assert.equal(object.status?.phase, "Pending");
  assert.equal(imageCache.fetches.length, 0);
});

test("an image is fetched, sent to the provider of the machine that uses it, and Ready", async (t) => {
  const { use, fetchAt, untilReady, hypervisor } = await lab(t, urlSource);
  await use();
  const fetch = await fetchAt(0);
  assert.deepEqual(fetch.source, { kind: "url", url });
  await untilReady("False", "Downloading");
  fetch.finish();
  const object = await untilReady("True", "Prepared");
  assert.equal(object.status?.ready, true);
  assert.equal(object.status.phase, "Ready");
  assert.equal(object.status.digest, cachedImage.digest);
  assert.equal(object.status.size, "400Mi");
  assert.equal(object.status.virtualSize, "4Gi");
  assert.deepEqual(object.status.availableOn, ["lab"]);
  assert.equal(object.status.importProgress, undefined);
  assert.deepEqual(object.metadata.finalizers, ["vmimage.infra.virtrigaud.io/finalizer"]);
  const imported = await hypervisor.open().images.find(cachedImage.digest);
  assert.deepEqual(imageOnProvider(object, { namespace: "default", name: "lab" }), {
    kind: "available",
    id: imported?.id,
  });
});

test("progress is shown in bytes, percent, rate and time left, at most once a second", async (t) => {
  const { use, fetchAt, until, untilReady, clock, client } = await lab(t, urlSource);
  await use();
  const fetch = await fetchAt(0);
  const before = await untilReady("False", "Downloading");
  const megabyte = 1024 ** 2;
  const at = (transferred: number) => ({
    transferredBytes: transferred * megabyte,
    totalBytes: 400 * megabyte,
    bytesPerSecond: 50 * megabyte,
    etaSeconds: (400 - transferred) / 50,
  });
  for (let step = 1; step <= 50; step++) fetch.progress(at(step));
  await clock.advance(0);
  assert.equal((await client.get(VMImage, key)).metadata.resourceVersion, before.metadata.resourceVersion);
  await clock.advance(1_000);
  fetch.progress(at(100));
  const object = await until((each) => each.status?.importProgress?.percentage === 25);
  assert.equal(object.status?.importProgress?.eta, "6s");
  assert.equal(object.status.importProgress.transferRate, 50 * megabyte);
  assert.match(object.status.message ?? "", /100 MiB of 400 MiB, 50 MiB\/s, 6s left/);
  assert.equal(findCondition(object.status.conditions, "Importing")?.status, "True");
});

test("an unreachable URL leads to the local build where there is one, and that is said everywhere", async (t) => {
  const { use, fetchAt, untilReady, client, clock } = await lab(t, bothSources);
  await use();
  (await fetchAt(0)).fail(new ImageError("Unreachable", "getaddrinfo ENOTFOUND images.example"));
  const build = await fetchAt(1);
  assert.equal(build.source.kind, "debootstrap");
  const building = await untilReady("False", "Building");
  assert.match(readyOf(building)?.message ?? "", /instead of https:\/\/images\.example.*ENOTFOUND/);
  build.finish();
  const object = await untilReady("True", "Prepared");
  assert.equal(object.status?.source, "debootstrap");
  assert.match(readyOf(object)?.message ?? "", /built locally because https:\/\/images\.example\S* did not answer/);
  const event = await eventually(
    async () => (await client.list(Event)).items.find((each) => each.reason === "FallbackToLocalBuild"),
    "the event",
  );
  assert.match(event.message ?? "", /does not answer/);
  const { resourceVersion } = (await client.get(VMImage, key)).metadata;
  await clock.advance(60_000);
  assert.equal((await client.get(VMImage, key)).metadata.resourceVersion, resourceVersion);
});

for (const [code, reason] of [
  ["NotFound", "ImageNotFound"],
  ["ChecksumMismatch", "ChecksumMismatch"],
  ["UnknownFormat", "UnknownFormat"],
] as const) {
  test(`${code} is no reason for another source, and waits for the spec to change`, async (t) => {
    const { use, fetchAt, untilReady, imageCache, clock, client } = await lab(t, bothSources);
    await use();
    (await fetchAt(0)).fail(new ImageError(code, "what was found"));
    const object = await untilReady("False", reason);
    assert.equal(object.status?.phase, "Failed");
    assert.match(readyOf(object)?.message ?? "", /what was found.*not tried again until the spec changes/);
    await clock.advance(3_600_000);
    assert.equal(imageCache.fetches.length, 1);
    await client.mergePatch(VMImage, key, { spec: { source: { libvirt: { url: `${url}.fixed` } } } });
    (await fetchAt(1)).finish();
    await untilReady("True", "Prepared");
  });
}

test("what can pass is tried again with back-off and says when; after the retries the image is Failed and still heals", async (t) => {
  const { use, fetchAt, untilReady, until, imageCache, clock } = await lab(t, {
    ...urlSource,
    prepare: { retries: 1 },
  });
  await use();
  (await fetchAt(0)).fail(new ImageError("DiskFull", "3 GiB wanted, 1 GiB free"));
  const object = await untilReady("False", "DiskFull");
  assert.equal(object.status?.phase, "Pending");
  assert.match(readyOf(object)?.message ?? "", /tried again at 20/);
  await clock.advance(9_999);
  assert.equal(imageCache.fetches.length, 1);
  await clock.advance(1);
  (await fetchAt(1)).fail(new ImageError("DiskFull", "3 GiB wanted, 1 GiB free"));
  await until((each) => each.status?.phase === "Failed");
  await clock.advance(600_000);
  (await fetchAt(2)).finish();
  await untilReady("True", "Prepared");
});

test("preparing that takes longer than it may is stopped", async (t) => {
  const { use, fetchAt, untilReady, clock } = await lab(t, { ...urlSource, prepare: { timeout: "1m" } });
  await use();
  const fetch = await fetchAt(0);
  await clock.advance(60_000);
  const object = await untilReady("False", "Timeout");
  assert.equal(fetch.signal.aborted, true);
  assert.match(readyOf(object)?.message ?? "", /within 60 s/);
});

test("a download ends when the last machine that wanted the image goes", async (t) => {
  const { use, fetchAt, untilReady, client } = await lab(t, urlSource);
  await use();
  const fetch = await fetchAt(0);
  await client.delete(VirtualMachine, { namespace: "default", name: "web" });
  await untilReady("False", "NotUsed");
  assert.equal(fetch.signal.aborted, true);
});

test("another URL in the spec aborts the old download", async (t) => {
  const { use, fetchAt, client } = await lab(t, urlSource);
  await use();
  const first = await fetchAt(0);
  await client.mergePatch(VMImage, key, { spec: { source: { libvirt: { url: `${url}.new` } } } });
  const second = await fetchAt(1);
  assert.equal(first.signal.aborted, true);
  assert.deepEqual(second.source, { kind: "url", url: `${url}.new` });
});

test("sending that fails is tried again, and the image is asked for again first", async (t) => {
  const { use, fetchAt, untilReady, hypervisor, clock } = await lab(t, urlSource);
  hypervisor.fail("images.import", { code: "Timeout", message: "the stream stalled" });
  await use();
  (await fetchAt(0)).finish();
  (await fetchAt(1)).finish();
  const object = await untilReady("False", "ImportTimeout");
  assert.match(readyOf(object)?.message ?? "", /Cannot send it to lab: the stream stalled; tried again at/);
  await clock.advance(10_000);
  await untilReady("True", "Prepared");
});

test("a provider that goes out of reach is named, and the image goes there as soon as it is back", async (t) => {
  const { use, fetchAt, untilReady, hypervisor } = await lab(t, urlSource);
  await use();
  const fetch = await fetchAt(0);
  hypervisor.disconnect();
  fetch.finish();
  const object = await untilReady("False", "ProviderNotReady");
  assert.match(readyOf(object)?.message ?? "", /"lab" cannot be asked/);
  hypervisor.reconnect();
  await untilReady("True", "Prepared");
});

test("an image that is on the provider already is neither fetched nor sent", async (t) => {
  const { use, untilReady, hypervisor, imageCache } = await lab(t, {
    source: { libvirt: { url, checksum: cachedImage.digest } },
  });
  await hypervisor.open().images.import(cachedImage);
  await use();
  const object = await untilReady("True", "Prepared");
  assert.equal(object.status?.digest, cachedImage.digest);
  assert.equal(imageCache.fetches.length, 0);
});

test("an image that is lost on the provider is sent again", async (t) => {
  const { use, fetchAt, untilReady, hypervisor, clock } = await lab(t, urlSource);
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await hypervisor.open().images.remove(cachedImage.digest);
  await clock.advance(31_000);
  await use("second");
  await eventually(() => hypervisor.open().images.find(cachedImage.digest), "the image");
});

test("onMissing Fail and Wait fetch nothing; Wait looks again", async (t) => {
  const spec = (onMissing: "Fail" | "Wait") => ({
    source: { libvirt: { url, checksum: cachedImage.digest } },
    prepare: { onMissing },
  });
  const { use, untilReady, client, hypervisor, clock, imageCache } = await lab(t, spec("Fail"));
  await use();
  await untilReady("False", "MissingOnProvider");
  await client.mergePatch(VMImage, key, { spec: spec("Wait") });
  await untilReady("False", "WaitingForImage");
  await hypervisor.open().images.import(cachedImage);
  await clock.advance(60_000);
  await untilReady("True", "Prepared");
  assert.equal(imageCache.fetches.length, 0);
});

for (const [name, spec, reason, words] of [
  ["no source", {}, "NoSource", /spec\.source/],
  ["only sources of other hypervisors", { source: { vsphere: { templateName: "t" } } }, "Unsupported", /vsphere/],
  [
    "a field that cannot be honoured",
    { ...urlSource, prepare: { optimization: { enableDeltaSync: true } } },
    "Unsupported",
    /optimization\.enableDeltaSync/,
  ],
  [
    "a checksum that cannot be",
    { source: { libvirt: { url, checksum: "sha256:12" } } },
    "InvalidSpec",
    /source\.libvirt\.checksum/,
  ],
] as const) {
  test(`${name} is refused before anything is fetched`, async (t) => {
    const { use, untilReady, imageCache } = await lab(t, spec);
    await use();
    const object = await untilReady("False", reason);
    assert.equal(object.status?.phase, "Failed");
    assert.match(readyOf(object)?.message ?? "", words);
    assert.equal(imageCache.fetches.length, 0);
  });
}

test("deleting a VMImage takes its base image away, but not while a disk backs onto it", async (t) => {
  const { use, fetchAt, untilReady, until, client, hypervisor, clock } = await lab(t, urlSource);
  await use();
  (await fetchAt(0)).finish();
  const object = await untilReady("True", "Prepared");
  const found = imageOnProvider(object, { namespace: "default", name: "lab" });
  assert.ok(found.kind === "available");
  const vm = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };
  await hypervisor.open().disks.ensureRoot(vm, { name: "root", imageId: found.id });
  await client.delete(VMImage, key);
  const held = await until((each) => readyOf(each)?.reason === "InUse");
  assert.match(readyOf(held)?.message ?? "", /tried again every 30 s/);
  assert.notEqual(await hypervisor.open().images.find(cachedImage.digest), undefined);
  await hypervisor.open().disks.remove(vm);
  await clock.advance(30_000);
  await eventually(async () => (await client.list(VMImage)).items.length === 0, "the end");
  assert.equal(await hypervisor.open().images.find(cachedImage.digest), undefined);
});

test("a base image that another VMImage means too stays", async (t) => {
  const { use, fetchAt, untilReady, until: _, client, hypervisor, ...rest } = await lab(t, urlSource);
  await client.create(VMImage, image("twin", { source: { libvirt: { url: `${url}?twin` } } }));
  await client.create(VirtualMachine, machine("twin", { imageRef: { name: "twin" } }));
  await use();
  for (const index of [0, 1]) (await fetchAt(index)).finish();
  await untilReady("True", "Prepared");
  await rest.clock.advance(0);
  await eventually(async () => (await client.get(VMImage, { ...key, name: "twin" })).status?.ready, "the twin");
  await client.delete(VMImage, key);
  await eventually(async () => (await client.list(VMImage)).items.length === 1, "the end");
  assert.notEqual(await hypervisor.open().images.find(cachedImage.digest), undefined);
});

test("after a change of the spec the former image leaves the provider", async (t) => {
  const { use, fetchAt, untilReady, until, client, hypervisor } = await lab(t, urlSource);
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await client.mergePatch(VMImage, key, { spec: { source: { libvirt: { url: `${url}.new` } } } });
  const digest = `sha256:${"b".repeat(64)}`;
  (await fetchAt(1)).finish({ digest });
  await until((each) => each.status?.ready === true && each.status.digest === digest);
  const images = hypervisor.open().images;
  await eventually(async () => (await images.find(cachedImage.digest)) === undefined, "the removal");
  assert.notEqual(await images.find(digest), undefined);
});

test("a VMImage that was never sent anywhere is deleted at once", async (t) => {
  const { untilReady, client } = await lab(t, urlSource);
  await untilReady("False", "NotUsed");
  await client.delete(VMImage, key);
  assert.equal((await client.list(VMImage)).items.length, 0);
});

test("an idle prepared image writes nothing and asks nobody", async (t) => {
  const { use, fetchAt, untilReady, client, hypervisor, clock } = await lab(t, urlSource);
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await clock.advance(1_000);
  const { resourceVersion } = (await client.get(VMImage, key)).metadata;
  const finds = hypervisor.calls.filter((call) => call.method === "images.find").length;
  await clock.advance(8 * 60_000);
  assert.equal((await client.get(VMImage, key)).metadata.resourceVersion, resourceVersion);
  assert.equal(hypervisor.calls.filter((call) => call.method === "images.find").length, finds);
});

test("a newer image is fetched while the former one stays Ready, is sent to where it is used, and the former one goes", async (t) => {
  const { use, fetchAt, untilReady, until, clock, hypervisor, imageCache } = await lab(t, {
    ...urlSource,
    prepare: { refreshInterval: "1h" },
  });
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await clock.advance(3_599_000);
  assert.equal(imageCache.fetches.length, 1);
  await clock.advance(1_000);
  const same = await fetchAt(1);
  assert.equal(same.isRefresh, true);
  same.finish();
  const unchanged = await until((each) => findCondition(each.status?.conditions, "Refreshed")?.reason === "Unchanged");
  assert.equal(unchanged.status?.ready, true);
  await clock.advance(3_600_000);
  const digest = `sha256:${"b".repeat(64)}`;
  const changed = await fetchAt(2);
  assert.equal((await until((each) => each.status?.ready)).status?.digest, cachedImage.digest);
  changed.finish({ digest });
  const object = await until((each) => each.status?.ready === true && each.status.digest === digest);
  assert.equal(findCondition(object.status?.conditions, "Refreshed")?.reason, "Changed");
  const { images } = hypervisor.open();
  assert.notEqual(await images.find(digest), undefined);
  await eventually(async () => (await images.find(cachedImage.digest)) === undefined, "the former image is removed");
});

test("a source that cannot be asked for a newer image leaves the image as it is, and is asked again in time", async (t) => {
  const { use, fetchAt, untilReady, until, clock } = await lab(t, { ...urlSource, prepare: { refreshInterval: "1h" } });
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await clock.advance(3_600_000);
  (await fetchAt(1)).fail(new ImageError("Unreachable", "no route"));
  const object = await until((each) => findCondition(each.status?.conditions, "Refreshed")?.status === "False");
  assert.equal(object.status?.ready, true);
  assert.match(findCondition(object.status.conditions, "Refreshed")?.message ?? "", /no route; the image is kept/);
  await clock.advance(3_600_000);
  (await fetchAt(2)).finish();
  await until((each) => findCondition(each.status?.conditions, "Refreshed")?.status === "True");
});

test("an image with a checksum, and one that is built, are not asked for again", async (t) => {
  const checksum = cachedImage.digest;
  const { use, fetchAt, untilReady, clock, imageCache } = await lab(t, {
    source: { libvirt: { url, checksum } },
    prepare: { refreshInterval: "1m" },
  });
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  await clock.advance(600_000);
  assert.equal(imageCache.fetches.length, 1);
});

test("force fetches the image anew once for each generation, and sends it again where nothing uses it", async (t) => {
  const checksum = cachedImage.digest;
  const source = { libvirt: { url, checksum } };
  const { use, fetchAt, untilReady, until, client, clock, hypervisor, imageCache } = await lab(t, { source });
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  const imports = () => hypervisor.calls.filter(({ method }) => method === "images.import").length;
  assert.equal(imports(), 1);
  await client.mergePatch(VMImage, key, { spec: { prepare: { force: true } } });
  const anew = await fetchAt(1);
  assert.equal(anew.isForced, true);
  assert.equal((await until((each) => each.status?.ready === false)).status?.digest, undefined);
  anew.finish();
  const generation = (each: VMImage) => each.status?.observedGeneration === each.metadata.generation;
  await until((each) => each.status?.ready === true && generation(each));
  assert.equal(imports(), 2);
  await clock.advance(3_600_000);
  assert.equal(imageCache.fetches.length, 2);
  await client.mergePatch(VMImage, key, { spec: { prepare: { retries: 1 } } });
  (await fetchAt(2)).finish();
  await until((each) => each.status?.ready === true && generation(each));
  assert.equal(imports(), 3);
});

test("force leaves a copy that disks back onto as it is, and says so", async (t) => {
  const { use, fetchAt, untilReady, until, client, hypervisor } = await lab(t, urlSource);
  await use();
  (await fetchAt(0)).finish();
  await untilReady("True", "Prepared");
  hypervisor.fail("images.remove", { code: "Conflict", message: "in use by web.root.qcow2" });
  await client.mergePatch(VMImage, key, { spec: { prepare: { force: true } } });
  (await fetchAt(1)).finish();
  await until((each) => each.status?.ready === true && each.status.observedGeneration === each.metadata.generation);
  assert.equal(hypervisor.calls.filter(({ method }) => method === "images.import").length, 1);
  const event = await eventually(
    async () => (await client.list(Event)).items.find((each) => each.reason === "ImageKept"),
    "the event",
  );
  assert.match(event.message ?? "", /in use by web/);
});

test("what a source asks for comes from Secrets, is waited for, tried again with each change, and is told to nobody", async (t) => {
  const http = {
    url: `${url}?signature=query-s3cret`,
    headers: { "x-team": "shop" },
    authentication: {
      basicAuth: { secretRef: { name: "mirror" }, usernameKey: "user" },
      headers: { secretRef: { name: "api" } },
    },
  };
  const { use, fetchAt, untilReady, client, imageCache } = await lab(t, { source: { http } });
  await use();
  const missing = await untilReady("False", "SecretNotFound");
  assert.match(readyOf(missing)?.message ?? "", /Secret "mirror" does not exist/);
  assert.equal(imageCache.fetches.length, 0);
  const secret = (name: string, stringData: Record<string, string>): Secret => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name },
    stringData,
  });
  await client.create(Secret, secret("api", { "X-Api-Key": "header-s3cret\n" }));
  await client.create(Secret, secret("mirror", { user: "robot", password: "wrong-s3cret" }));
  const first = await fetchAt(0);
  const given = (password: string) => Buffer.from(`robot:${password}`).toString("base64");
  assert.deepEqual(first.source, {
    kind: "url",
    url: http.url,
    headers: { "x-team": "shop", "x-api-key": "header-s3cret", authorization: `Basic ${given("wrong-s3cret")}` },
  });
  first.fail(new ImageError("Unauthorized", "server answered 401"));
  await untilReady("False", "Unauthorized");
  const stored = await client.get(Secret, { namespace: "default", name: "mirror" });
  await client.update(Secret, { ...stored, stringData: { password: "right-s3cret" } });
  const second = await fetchAt(1);
  assert.ok(second.source.kind === "url");
  assert.equal(second.source.headers?.["authorization"], `Basic ${given("right-s3cret")}`);
  second.finish();
  const object = await untilReady("True", "Prepared");
  const told = JSON.stringify([object.status, (await client.list(Event)).items]);
  assert.doesNotMatch(told, /s3cret|robot|Basic/);
});

test("a source's own time-out ends its download, whatever the other steps may take", async (t) => {
  const http = { url, timeout: "2m" };
  const { use, fetchAt, untilReady, clock } = await lab(t, { source: { http }, prepare: { timeout: "1h" } });
  await use();
  assert.deepEqual((await fetchAt(0)).source, { kind: "url", url });
  await clock.advance(120_000);
  const late = await untilReady("False", "Timeout");
  assert.match(readyOf(late)?.message ?? "", /within 120 s \(spec\.source\.http\.timeout\)/);
});

for (const [name, authentication, message] of [
  [
    "two logins",
    { basicAuth: { secretRef: { name: "a" } }, bearer: { secretRef: { name: "b" } } },
    /basicAuth and bearer each give an Authorization header/,
  ],
  ["a certificate without TLS", { clientCert: { secretRef: { name: "a" } } }, /over https alone/],
] as const) {
  test(`${name}: refused before anything is fetched`, async (t) => {
    const http = { url: "http://images.example/disk.img", authentication };
    const { use, untilReady, imageCache } = await lab(t, { source: { http } });
    await use();
    assert.match(readyOf(await untilReady("False", "InvalidSpec"))?.message ?? "", message);
    assert.equal(imageCache.fetches.length, 0);
  });
}

for (const [name, prepare, stored] of [
  ["raw", { storage: { preferredFormat: "raw" } }, { format: "raw" }],
  [
    "qcow2, compressed",
    { optimization: { convertFormat: "qcow2", enableCompression: true } },
    { format: "qcow2", isCompressed: true },
  ],
] as const) {
  test(`an image is kept as it is asked for: ${name}`, async (t) => {
    const checksum = cachedImage.digest;
    const { use, fetchAt, hypervisor } = await lab(t, { source: { libvirt: { url, checksum } }, prepare });
    // The file that is promised may be there in its own form: it is not the one.
    await hypervisor.open().images.import(cachedImage);
    await use();
    assert.deepEqual((await fetchAt(0)).source.stored, stored);
  });
}

for (const [name, prepare, reason] of [
  ["two formats", { storage: { preferredFormat: "raw" }, optimization: { convertFormat: "qcow2" } }, "InvalidSpec"],
  ["raw, and compressed", { storage: { preferredFormat: "raw", compression: true } }, "InvalidSpec"],
  ["a format that disks here cannot have", { storage: { preferredFormat: "vmdk" } }, "Unsupported"],
  ["force, and not to import", { force: true, onMissing: "Wait" }, "InvalidSpec"],
] as const) {
  test(`${name}: refused before anything is fetched`, async (t) => {
    const { use, untilReady, imageCache } = await lab(t, { ...urlSource, prepare });
    await use();
    await untilReady("False", reason);
    assert.equal(imageCache.fetches.length, 0);
  });
}
