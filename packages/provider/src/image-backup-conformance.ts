// What every provider whose image files can be backed up promises: that part of the conformance suite.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, definitionOf, dismantle, rejects, seed } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { ImageFile, VmIdentity } from "./provider.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function imageBackupRules(rule: Rule): void {
  rule("a layer's file that was read is put back where it is gone, and is what it was", (subject) =>
    withLayer(subject, async ({ layers, imageBackups, file, sealed, contentDigest }) => {
      const { provider } = subject;
      await provider.images.remove(file.digest);
      await rejects(layers.measure(file.digest), "NotFound");
      assert.deepEqual(await imageBackups.restore(file), sealed);
      assert.equal((await layers.measure(file.digest)).contentDigest, contentDigest);
      const sent: number[] = [];
      await imageBackups.restore(file, { onProgress: (bytes) => sent.push(bytes) });
      assert.equal(sent.at(-1), file.sizeBytes, "what is there is replaced");
    }),
  );

  rule("nothing is put in place of an image that a VM which is on reads from", (subject) =>
    withLayer(subject, async ({ layers, imageBackups, file, sealed, contentDigest, user }) => {
      const { provider } = subject;
      await provider.disks.ensureRoot(user, { name: "root", imageId: sealed.id });
      await provider.disks.writeSeed(user, seed);
      await provider.compute.define(definitionOf(user));
      assert.equal((await layers.usersOf(sealed.path)).length, 1);
      await provider.compute.start(user, { isPaused: true });
      const refusal = await rejects(imageBackups.restore(file), "Conflict");
      assert.ok(refusal.message.includes(user.name), `${refusal.message} names ${user.name}`);
      assert.equal((await layers.measure(file.digest)).contentDigest, contentDigest);
      await provider.compute.forceOff(user);
      assert.deepEqual(await imageBackups.restore(file), sealed);
      await dismantle(provider, user);
      assert.deepEqual(await layers.usersOf(sealed.path), []);
    }),
  );
}

type Layer = {
  readonly layers: NonNullable<ConformanceSubject["provider"]["layers"]>;
  readonly imageBackups: NonNullable<ConformanceSubject["provider"]["imageBackups"]>;
  readonly file: ImageFile;
  readonly sealed: { readonly id: string; readonly path: string };
  readonly contentDigest: string;
  readonly user: VmIdentity;
};

/** Nothing where the provider has none of it. */
async function withLayer(subject: ConformanceSubject, run: (layer: Layer) => Promise<void>): Promise<void> {
  const { provider, newVm } = subject;
  const { layers, imageBackups } = provider;
  if (layers === undefined || imageBackups === undefined) return;
  const [vm, user] = [newVm(), newVm()];
  const digest = `sha256:${vm.uid.replaceAll("-", "").padEnd(64, "0")}`;
  await build(subject, vm);
  const sealed = await layers.seal(vm, { disk: "root", digest });
  await dismantle(provider, vm);
  const { contentDigest } = await layers.measure(digest);
  const chunks: Uint8Array[] = [];
  for await (const chunk of imageBackups.read(digest)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, contentDigest);
  const directory = await mkdtemp(join(tmpdir(), "vivarium-layer-"));
  try {
    const path = join(directory, "file");
    await writeFile(path, bytes);
    const { virtualSizeBytes } = sealed;
    const file: ImageFile = { digest, format: "qcow2", path, sizeBytes: bytes.length, virtualSizeBytes };
    await run({ layers, imageBackups, file, sealed, contentDigest, user });
  } finally {
    await rm(directory, { recursive: true });
    await provider.images.remove(digest);
  }
}
