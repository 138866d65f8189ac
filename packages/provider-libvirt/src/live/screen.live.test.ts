// A screen that listens on loopback with a password, as it does where the server's user cannot open QEMU's sockets.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { DomainXmlFlags } from "@vivarium/libvirt";
import { isProviderError } from "@vivarium/provider";
import type { VmIdentity } from "@vivarium/provider";
import { connectTo } from "../screen/connect.ts";
import { findListener, screenDevices } from "../screen/devices.ts";
import { logIn } from "../screen/log-in.ts";
import { ByteSource } from "../screen/byte-source.ts";
import { renderXml } from "../xml/element.ts";
import { build, liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

describe("a screen with a password, of a real QEMU", { skip: liveSkipReason(), concurrency: false }, () => {
  let live: LiveHost;
  let vm: VmIdentity;

  before(async () => {
    live = await openLiveHost("screen");
    vm = live.newVm();
    await build(live, vm);
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    const xml = await live.libvirt.domainGetXmlDesc(domain, { flags: DomainXmlFlags.INACTIVE });
    const [graphics] = screenDevices("sesame12");
    assert.ok(graphics !== undefined);
    await live.libvirt.domainDefineXmlFlags(
      xml.replace(/<graphics[\s\S]*?<\/graphics>|<graphics[^>]*\/>/, renderXml(graphics)),
    );
    await live.provider.compute.start(vm);
  });
  after(() => live?.close());

  it("is opened without one, while QEMU was shown it", { timeout: 60_000 }, async () => {
    const { signal } = new AbortController();
    const stream = await live.provider.screen?.open(vm, { signal });
    assert.ok(stream !== undefined);
    const heard = new ByteSource(stream.output);
    assert.equal(String(await heard.take(12)), "RFB 003.008\n");
    await stream.write(Buffer.from("RFB 003.008\n"));
    assert.deepEqual(await heard.take(2), Buffer.of(1, 1));
    await stream.write(Buffer.of(1));
    assert.deepEqual(await heard.take(4), Buffer.alloc(4));
    // Shared; QEMU answers with the size of its screen.
    await stream.write(Buffer.of(1));
    const size = await heard.take(24);
    assert.ok(size !== undefined && size.readUInt16BE(0) >= 320 && size.readUInt16BE(2) >= 200);
    await stream.close();
  });

  it("listens on loopback alone, and lets nobody in with another one", { timeout: 60_000 }, async () => {
    const { signal } = new AbortController();
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    const listener = findListener(await live.libvirt.domainGetXmlDesc(domain, { flags: DomainXmlFlags.SECURE }));
    assert.ok(listener?.kind === "port");
    assert.deepEqual([listener.host, listener.password], ["127.0.0.1", "sesame12"]);
    const stream = await connectTo(listener, { name: vm.name, signal });
    await assert.rejects(logIn(stream, "open-it!"), (error) => isProviderError(error, "Unauthorized"));
    await stream.close();
  });

  it("is not asked for by what is seen without the right to secrets", { timeout: 60_000 }, async () => {
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    assert.doesNotMatch(await live.libvirt.domainGetXmlDesc(domain), /sesame/);
  });
});
