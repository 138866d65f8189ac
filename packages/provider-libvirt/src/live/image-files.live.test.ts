// What becomes of an image whose file is changed behind libvirt's back: that it is found by reading it, on the libvirtd of this machine.

import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { after, before, beforeEach, describe, it } from "node:test";
import { isProviderError } from "@vivarium/provider";
import type { LayerRole } from "@vivarium/provider";
import { liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

const skip =
  liveSkipReason() || (process.getuid?.() === 0 ? false : "SKIPPED: only root may write into the pool's files");

describe("files of images on a real libvirtd", { skip, concurrency: false, timeout: 300_000 }, () => {
  let live: LiveHost;
  let layers: LayerRole;
  let path: string;
  before(async () => {
    live = await openLiveHost("imgfile");
    assert.ok(live.provider.layers);
    layers = live.provider.layers;
  });
  after(() => live?.close());
  beforeEach(async () => {
    await live.provider.images.remove(live.image.digest);
    ({ path } = await live.provider.images.import(live.image));
    assert.equal((await layers.measure(live.image.digest)).contentDigest, live.image.digest);
  });
  const isMissing = (error: unknown): boolean => isProviderError(error) && error.code === "NotFound";

  it("one changed byte, in the data or in the header, gives another digest, until it is put back", async () => {
    const whole = readFileSync(path);
    for (const offset of [whole.length - 100, 0]) {
      const file = openSync(path, "r+");
      writeSync(file, Buffer.from([(whole[offset] ?? 0) ^ 0xff]), 0, 1, offset);
      closeSync(file);
      const read = await layers.measure(live.image.digest);
      assert.notEqual(read.contentDigest, live.image.digest);
      assert.equal(read.sizeBytes, whole.length);
      writeFileSync(path, whole);
    }
    assert.equal((await layers.measure(live.image.digest)).contentDigest, live.image.digest);
  });

  it("a file that was cut short, or taken away, is not there", async () => {
    truncateSync(path, live.image.sizeBytes - 1);
    await assert.rejects(layers.measure(live.image.digest), isMissing);
    rmSync(path);
    await assert.rejects(layers.measure(live.image.digest), isMissing);
    assert.equal(await live.provider.images.find(live.image.digest), undefined, "so it is brought anew");
  });
});
