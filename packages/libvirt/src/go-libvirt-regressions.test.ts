// Faults that users of another libvirt client met, by its issue numbers (https://github.com/digitalocean/go-libvirt/issues).

import assert from "node:assert/strict";
import { test } from "node:test";
import { LibvirtConnectionError } from "./errors/connection-error.ts";
import { MessageStatus, MessageType } from "./framing/message.ts";
import type { Message } from "./framing/message.ts";
import { Libvirt } from "./libvirt.ts";
import { connectGetLibVersion, connectOpen } from "./protocol/connect.ts";
import { domain as domainCodec } from "./protocol/handles.ts";
import { storageVolDownload } from "./protocol/storage-volume.ts";
import { answerOpening } from "./testing/answer-opening.ts";
import { encode, FakeDaemon } from "./testing/fake-daemon.ts";
import type { FakePeer } from "./testing/fake-daemon.ts";
import { int, struct } from "./xdr/codec.ts";

const domain = { name: "web-1", uuid: "00112233-4455-6677-8899-aabbccddeeff", id: 3 };
const volume = { pool: "p", name: "v", key: "/p/v" };
const rebootProcedure = 319;
const reboot = encode(struct<{ callbackId: number; domain: typeof domain }>({ callbackId: int, domain: domainCodec }), {
  callbackId: 0,
  domain,
});

function healthy(call: Message, peer: FakePeer): void {
  if (answerOpening(call, peer)) return;
  if (call.procedure === connectGetLibVersion.number) peer.reply(call, connectGetLibVersion, { version: 9_000_000 });
}

function open(daemon: FakeDaemon, initialMs = 1): Libvirt {
  return new Libvirt({
    dial: daemon.dialer,
    uri: "test:///default",
    reconnect: { initialMs, maxMs: initialMs * 5 },
    defaultTimeoutMs: 60_000,
  });
}

test("#96: nobody hangs when the daemon dies: not a call in flight, not a queued one, not a stream, on no lane", async () => {
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure === connectGetLibVersion.number) return;
    if (call.procedure === storageVolDownload.number && call.type === MessageType.CALL)
      peer.reply(call, storageVolDownload, {});
    else healthy(call, peer);
  });
  using libvirt = open(daemon, 10_000);
  await libvirt.ready();
  const download = libvirt.storageVolDownload(volume)[Symbol.asyncIterator]();
  const waiters = [
    ...Array.from({ length: 20 }, () => libvirt.connectGetLibVersion()),
    ...Array.from({ length: 20 }, () => libvirt.domainCreateWithFlags(domain)),
    ...Array.from({ length: 20 }, () => libvirt.domainFsFreeze(domain)),
    libvirt.domainManagedSave(domain),
    libvirt.connectGetAllDomainStats(),
    download.next(),
  ];
  const settled = Promise.allSettled(waiters);
  await daemon.peer(5);
  await daemon.stop();
  for (const waiter of await settled) {
    assert.ok(waiter.status === "rejected" && waiter.reason instanceof LibvirtConnectionError, JSON.stringify(waiter));
  }
});

test("#96: calls made by listeners of events are answered, however many events come", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  await libvirt.ready();
  const answers: Promise<number>[] = [];
  const all = new Promise<void>((resolve) => {
    libvirt.onDomainEvent(() => {
      answers.push(libvirt.connectGetLibVersion());
      if (answers.length === 2000) resolve();
    });
  });
  const peer = await daemon.peer(0);
  for (let index = 0; index < 2000; index++) peer.event(rebootProcedure, reboot);
  await all;
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([9_000_000]));
});

test("#133: listeners that leave while the connection goes are not called again, and the others hear the next one", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  await libvirt.ready();
  let heard = 0;
  const leaves = Array.from({ length: 50 }, () => libvirt.onDomainEvent(() => heard++));
  daemon.peers[0]?.destroy();
  for (const leave of leaves) leave();
  const told = new Promise((resolve) => {
    libvirt.onDomainEvent(resolve);
  });
  const peer = await daemon.peer(1);
  await libvirt.ready();
  peer.event(rebootProcedure, reboot);
  await told;
  assert.equal(heard, 0);
});

test("#167: closing while it reconnects, at any moment, ends it for good and leaves no connection", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  for (let round = 0; round < 40; round++) {
    const libvirt = open(daemon);
    await libvirt.ready();
    const closed = daemon.peers.map((peer) => peer.closed);
    // Lost, and dialling again already when it is closed: after none, one, two, … turns of the event loop.
    daemon.peers.at(-1)?.destroy();
    for (let turn = 0; turn < round % 8; turn++) await new Promise((resolve) => setImmediate(resolve));
    libvirt.close();
    assert.equal(libvirt.state, "closed");
    await assert.rejects(libvirt.connectGetLibVersion(), LibvirtConnectionError);
    await Promise.all(closed);
  }
  // One that was being dialled when its owner left is closed as well.
  await Promise.all(daemon.peers.map((peer) => peer.closed));
});

test("#133: what still comes for a stream that was given up disturbs nobody, and its connection is let go", async () => {
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure !== storageVolDownload.number) {
      healthy(call, peer);
    } else if (call.type === MessageType.CALL) {
      peer.reply(call, storageVolDownload, {});
      for (let index = 0; index < 50; index++) peer.stream(call, MessageStatus.CONTINUE, Buffer.alloc(1000, index));
    } else {
      // Already on their way when the client gave up.
      for (let index = 0; index < 50; index++) peer.stream(call, MessageStatus.CONTINUE, Buffer.alloc(1000, index));
      peer.stream(call, MessageStatus.OK, Buffer.alloc(0));
    }
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      let count = 0;
      for await (const chunk of libvirt.storageVolDownload(volume)) {
        assert.equal(chunk.length, 1000);
        if (count++ === index) break;
      }
    }),
  );
  assert.equal(await libvirt.connectGetLibVersion(), 9_000_000);
  assert.equal(libvirt.state, "connected");
  await Promise.all(daemon.peers.slice(1).map((peer) => peer.closed));
});

test("#106: a connection that could not be opened is closed, every time", async () => {
  let refusals = 25;
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure === connectOpen.number && refusals-- > 0) peer.replyError(call, 38, 7, "no such driver");
    else healthy(call, peer);
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  assert.equal(daemon.peers.length, 26);
  await Promise.all(daemon.peers.slice(0, 25).map((peer) => peer.closed));
});
