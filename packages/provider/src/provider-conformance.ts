// What every provider promises, as tests. Each implementation mounts this suite; a promise that is not here is not one.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle, macOf, rejects, seed } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import { nicRules } from "./nic-conformance.ts";
import type { Provider, ProviderEvent, VmIdentity, VmObservation } from "./provider.ts";
import { statsRules } from "./stats-conformance.ts";
import { adoptionRules } from "./adoption-conformance.ts";
import { guestRules } from "./guest-conformance.ts";
import { cloneRules } from "./clone-conformance.ts";
import { hostRules } from "./host-conformance.ts";
import { imageBackupRules } from "./image-backup-conformance.ts";
import { migrationRules } from "./migration-conformance.ts";
import { layerRules } from "./layer-conformance.ts";
import { networkRules } from "./network-conformance.ts";
import { runStateRules } from "./run-state-conformance.ts";
import { snapshotRules } from "./snapshot-conformance.ts";
import { screenRules } from "./screen-conformance.ts";
import { sizingRules } from "./sizing-conformance.ts";
import { storageRules } from "./storage-conformance.ts";

const mib = 2 ** 20;

/** Registers the suite with node:test. Loaded on demand, so that a server does not carry a test runner. */
export async function providerConformance(name: string, setup: () => Promise<ConformanceSubject>): Promise<void> {
  const { describe, it, before, after } = await import("node:test");

  describe(`${name} keeps the provider contract`, { concurrency: false }, () => {
    let subject: ConformanceSubject;
    before(async () => {
      subject = await setup();
    });
    after(() => subject?.close());
    const rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>): void => {
      it(title, { timeout: 60_000 }, () => run(subject));
    };

    rule("it says who it is", async ({ provider }) => {
      const info = await provider.describe();
      assert.ok(info.hostname.length > 0 && info.version.length > 0);
      assert.ok(info.cpus > 0 && info.memoryBytes > 0 && info.storage.totalBytes > 0);
      assert.ok(info.freeMemoryBytes <= info.memoryBytes);
      assert.ok(info.acceleration.reason.length > 0);
      assert.equal(info.capabilities.snapshots, provider.snapshots !== undefined);
    });

    rule("what does not exist is absent, and removing it is success", async ({ provider, newVm }) => {
      const vm = newVm();
      assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
      await provider.compute.undefine(vm);
      await provider.disks.remove(vm);
      await provider.images.remove(unknownDigest);
      assert.equal(await provider.images.find(unknownDigest), undefined);
      assert.deepEqual(await provider.addresses.lookup(vm, [macOf(vm)]), []);
      await provider.addresses.release([macOf(vm)]);
      assert.equal((await provider.console?.readLog(vm))?.length ?? 0, 0);
    });

    rule("acts on a VM that does not exist are NotFound", async ({ provider, newVm }) => {
      const vm = newVm();
      await rejects(provider.compute.start(vm), "NotFound");
      await rejects(provider.compute.requestShutdown(vm), "NotFound");
      await rejects(provider.compute.forceOff(vm), "NotFound");
      const { signal } = new AbortController();
      if (provider.console !== undefined) await rejects(provider.console.open(vm, { signal }), "NotFound");
    });

    rule("an image is imported once and kept", async ({ provider, image }) => {
      await provider.images.remove(image.digest);
      const progress: number[] = [];
      const first = await provider.images.import(image, { onProgress: (sent) => progress.push(sent) });
      assert.equal(first.virtualSizeBytes, image.virtualSizeBytes);
      assert.equal(progress.at(-1), image.sizeBytes);
      progress.length = 0;
      const again = await provider.images.import(image, { onProgress: (sent) => progress.push(sent) });
      assert.deepEqual(again, first);
      assert.deepEqual(progress, []);
      assert.deepEqual(await provider.images.find(image.digest), first);
    });

    rule("two imports of one image at a time make one image", async ({ provider, image }) => {
      await provider.images.remove(image.digest);
      const [a, b] = await Promise.all([provider.images.import(image), provider.images.import(image)]);
      assert.deepEqual(a, b);
    });

    rule("an image is not removed from under a disk", async ({ provider, image, newVm }) => {
      const vm = newVm();
      const { id } = await provider.images.import(image);
      await provider.disks.ensureRoot(vm, { name: "root", imageId: id });
      const refusal = await rejects(provider.images.remove(image.digest), "Conflict");
      const [volume = "?"] =
        (await provider.compute.observe(vm)).kind === "absent" ? await volumesOf(provider, vm) : [];
      assert.ok(refusal.message.includes(volume), `${refusal.message} names ${volume}`);
      await provider.disks.remove(vm);
      await provider.images.remove(image.digest);
      assert.equal(await provider.images.find(image.digest), undefined);
    });

    rule("an image is listed with what backs onto it, and discarded once nothing does", async (subject) => {
      const { provider, image, newVm } = subject;
      const vm = newVm();
      const { id } = await provider.images.import(image);
      const listed = async () => (await provider.images.list()).find((each) => each.id === id);
      const alone = await listed();
      assert.ok(alone?.isComplete === true && alone.sizeBytes > 0, JSON.stringify(alone));
      assert.ok(image.digest.startsWith(alone.digestStart) && alone.digestStart.length >= "sha256:".length + 24);
      await provider.disks.ensureRoot(vm, { name: "root", imageId: id });
      const { users = [] } = (await listed()) ?? {};
      const [volume = "?"] = await volumesOf(provider, vm);
      assert.ok(users.includes(volume), `${users.join(", ")} has ${volume}`);
      const refusal = await rejects(provider.images.discard(id), "Conflict");
      assert.ok(refusal.message.includes(volume), refusal.message);
      await provider.disks.remove(vm);
      await provider.images.discard(id);
      await provider.images.discard(id);
      assert.equal(await listed(), undefined);
    });

    rule("a disk of an image that is not there is NotFound, and so is a domain without its disks", async (subject) => {
      const { provider, newVm } = subject;
      const vm = newVm();
      const root = { name: "root", imageId: `image-${"0".repeat(24)}-1.qcow2` };
      await rejects(provider.disks.ensureRoot(vm, root), "NotFound");
      await rejects(provider.compute.define(definitionOf(vm)), "NotFound");
      assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
    });

    rule("every step of building may be repeated", async (subject) => {
      const { provider, newVm } = subject;
      const vm = newVm();
      await build(subject, vm);
      const first = await provider.compute.observe(vm);
      await build(subject, vm);
      assert.deepEqual(await provider.compute.observe(vm), first);
      assert.equal(first.kind, "present");
      const { power, cpus, memoryBytes, nics } = first;
      assert.deepEqual({ power, cpus, memoryBytes }, { power: "off", cpus: 1, memoryBytes: 64 * mib });
      assert.deepEqual(
        nics.map((nic) => nic.mac),
        [macOf(vm)],
      );
      await dismantle(provider, vm);
    });

    rule("a VM starts, stops and goes, each step twice, and each change is an event", async (subject) => {
      const { provider, newVm } = subject;
      const vm = newVm();
      const stop = new AbortController();
      const events = listen(provider, { vm, signal: stop.signal });
      await build(subject, vm);
      await provider.compute.start(vm);
      await provider.compute.start(vm);
      assert.equal(powerIn(await provider.compute.observe(vm)), "running");
      await events.until("started");
      await rejects(provider.disks.writeSeed(vm, seed), "Conflict");
      await rejects(provider.compute.undefine(vm), "Conflict");
      await provider.compute.forceOff(vm);
      await provider.compute.forceOff(vm);
      assert.equal(powerIn(await provider.compute.observe(vm)), "off");
      await events.until("stopped");
      await provider.compute.requestShutdown(vm);
      await provider.compute.undefine(vm);
      await provider.compute.undefine(vm);
      const left = await provider.compute.observe(vm);
      assert.equal(left.kind, "absent");
      assert.ok(left.kind === "absent" && left.volumes.length >= 2, "volumes outlive the domain");
      await provider.disks.remove(vm);
      await provider.disks.remove(vm);
      assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
      stop.abort();
    });

    rule("removing a VM's volumes leaves those of a namesake alone", async ({ provider, newVm }) => {
      const vm = newVm();
      const namesake = { ...vm, uid: newVm().uid };
      const disk = { name: "data", sizeBytes: mib, preallocated: false };
      await provider.disks.ensureData(vm, disk);
      await provider.disks.ensureData(namesake, disk);
      await provider.disks.remove(vm);
      assert.deepEqual(await volumesOf(provider, vm), []);
      assert.equal((await volumesOf(provider, namesake)).length, 1);
      await provider.disks.remove(namesake);
    });

    rule("a domain of that name that is not ours is never touched", async (subject) => {
      const { provider, newVm, makeForeign } = subject;
      const vm = newVm();
      await makeForeign(vm);
      const seen = await provider.compute.observe(vm);
      assert.equal(seen.kind, "foreign");
      await provider.disks.ensureData(vm, { name: "root", sizeBytes: mib, preallocated: false });
      await provider.disks.writeSeed(vm, seed);
      await rejects(provider.compute.define(definitionOf(vm)), "Conflict");
      await rejects(provider.compute.start(vm), "Conflict");
      await rejects(provider.compute.requestShutdown(vm), "Conflict");
      await rejects(provider.compute.forceOff(vm), "Conflict");
      await rejects(provider.compute.undefine(vm), "Conflict");
      assert.deepEqual(await provider.compute.observe(vm), seen);
      await provider.disks.remove(vm);
    });

    rule("what the host cannot run is refused by name, before anything is touched", async ({ provider, newVm }) => {
      const vm = newVm();
      const fits = definitionOf(vm);
      await provider.compute.check(fits);
      await rejects(provider.compute.check({ ...fits, memoryBytes: 2 ** 60 }), "InvalidSpec");
      await rejects(provider.compute.check({ ...fits, cpus: 100_000 }), "InvalidSpec");
      const nic = { name: "lan", model: "virtio", mac: macOf(vm) };
      const noNetwork = { ...fits, networks: [{ ...nic, source: { network: "no-such-network" } }] };
      assert.match((await rejects(provider.compute.check(noNetwork), "InvalidSpec")).message, /no-such-network/);
      const noBridge = { ...fits, networks: [{ ...nic, source: { bridge: "no-such-br" } }] };
      assert.match((await rejects(provider.compute.check(noBridge), "InvalidSpec")).message, /no-such-br/);
      assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
    });

    rule("a call whose signal is aborted ends with the signal's reason", async ({ provider, newVm }) => {
      const reason = new Error("the caller left");
      await assert.rejects(provider.compute.observe(newVm(), { signal: AbortSignal.abort(reason) }), reason);
    });

    storageRules(rule);
    layerRules(rule);
    imageBackupRules(rule);
    statsRules(rule);
    nicRules(rule);
    guestRules(rule);
    hostRules(rule);
    adoptionRules(rule);
    networkRules(rule);
    runStateRules(rule);
    snapshotRules(rule);
    cloneRules(rule);
    screenRules(rule);
    sizingRules(rule);
    migrationRules(rule);

    rule("the console of a VM that is off is a Conflict", async (subject) => {
      const { provider, newVm } = subject;
      if (provider.console === undefined) return;
      const vm = newVm();
      await build(subject, vm);
      await rejects(provider.console.open(vm, { signal: new AbortController().signal }), "Conflict");
      await dismantle(provider, vm);
    });
  });
}

const unknownDigest = `sha256:${"0".repeat(64)}`;

async function volumesOf(provider: Provider, vm: VmIdentity): Promise<readonly string[]> {
  const seen = await provider.compute.observe(vm);
  return "volumes" in seen ? seen.volumes : [];
}

function powerIn(seen: VmObservation): string {
  return seen.kind === "present" ? seen.power : seen.kind;
}

function listen(
  provider: Provider,
  { vm, signal }: { readonly vm: VmIdentity; readonly signal: AbortSignal },
): { readonly until: (change: string) => Promise<void> } {
  const changes: string[] = [];
  let wake = Promise.withResolvers<void>();
  provider.subscribe(
    (event: ProviderEvent) => {
      if (event.kind !== "vm" || event.uid !== vm.uid) return;
      changes.push(event.change);
      wake.resolve();
    },
    { signal },
  );
  return {
    async until(change) {
      while (!changes.includes(change)) {
        wake = Promise.withResolvers<void>();
        await wake.promise;
      }
    },
  };
}
