// What every provider that can make layers promises: that part of the conformance suite.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle, rejects, seed } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { LayerRole } from "./layers.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function layerRules(rule: Rule): void {
  /** Skipped where the provider makes none. */
  const layerRule = (
    title: string,
    run: (subject: ConformanceSubject & { readonly layers: LayerRole }) => Promise<void>,
  ): void =>
    rule(title, async (subject) => {
      const { layers } = subject.provider;
      if (layers !== undefined) await run({ ...subject, layers });
    });

  layerRule("a layer is made of a disk once, kept, and cloned from like any image", async (subject) => {
    const { provider, layers, newVm } = subject;
    const [vm, user] = [newVm(), newVm()];
    const digest = digestFor(vm.uid);
    await build(subject, vm);
    const sealed = await layers.seal(vm, { disk: "root", digest });
    assert.deepEqual(await layers.seal(vm, { disk: "root", digest }), sealed);
    assert.deepEqual(await provider.images.find(digest), sealed);
    await dismantle(provider, vm);
    const measured = await layers.measure(digest);
    assert.match(measured.contentDigest, /^sha256:[0-9a-f]{64}$/);
    assert.ok(measured.sizeBytes > 0 && measured.allocationBytes >= 0);
    await provider.disks.ensureRoot(user, { name: "root", imageId: sealed.id });
    await provider.disks.writeSeed(user, seed);
    await provider.compute.define(definitionOf(user));
    await provider.compute.start(user);
    await rejects(provider.images.remove(digest), "Conflict");
    await dismantle(provider, user);
    await provider.images.remove(digest);
    assert.equal(await provider.images.find(digest), undefined);
  });

  layerRule("an image that was brought is read as what its digest says", async ({ provider, layers, image }) => {
    await provider.images.import(image);
    assert.equal((await layers.measure(image.digest)).contentDigest, image.digest);
    await provider.images.remove(image.digest);
  });

  layerRule("an image is not removed from under a layer", async (subject) => {
    const { provider, layers, image, newVm } = subject;
    const vm = newVm();
    const digest = digestFor(vm.uid);
    await build(subject, vm);
    const { id } = await layers.seal(vm, { disk: "root", digest });
    await dismantle(provider, vm);
    const refusal = await rejects(provider.images.remove(image.digest), "Conflict");
    assert.ok(refusal.message.includes(id), `${refusal.message} names ${id}`);
    await provider.images.remove(digest);
    await provider.images.remove(image.digest);
  });

  layerRule("a VM that is on, has snapshots or is not there is not sealed", async (subject) => {
    const { provider, layers, newVm } = subject;
    const vm = newVm();
    const layer = { disk: "root", digest: digestFor(vm.uid) };
    await rejects(layers.seal(vm, layer), "NotFound");
    await rejects(layers.measure(layer.digest), "NotFound");
    await build(subject, vm);
    await rejects(layers.seal(vm, { ...layer, disk: "other" }), "NotFound");
    await provider.compute.start(vm);
    await rejects(layers.seal(vm, layer), "Conflict");
    await provider.compute.forceOff(vm);
    if (provider.snapshots !== undefined) {
      const { uid } = newVm();
      await provider.snapshots.create(vm, { uid, name: "s", memory: false, quiesce: "never" });
      await rejects(layers.seal(vm, layer), "Conflict");
      await provider.snapshots.remove(vm, uid);
    }
    assert.equal(await provider.images.find(layer.digest), undefined);
    await dismantle(provider, vm);
  });
}

/** One that no image has. */
function digestFor(uid: string): string {
  return `sha256:${uid.replaceAll("-", "").padEnd(64, "0")}`;
}
