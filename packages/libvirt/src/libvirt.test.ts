// The facade against a fake daemon: what happens to a program when its daemon comes and goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DomainInterfaceAddressesSource } from "./constants/domain.ts";
import { LibvirtConnectionError } from "./errors/connection-error.ts";
import { isLibvirtError } from "./errors/libvirt-error.ts";
import { LibvirtTimeoutError } from "./errors/timeout-error.ts";
import { MessageStatus, MessageType } from "./framing/message.ts";
import type { Message } from "./framing/message.ts";
import { Libvirt } from "./libvirt.ts";
import { authList, connectGetLibVersion, connectOpen } from "./protocol/connect.ts";
import { domainEventKinds, domainEventRegister } from "./protocol/domain-event.ts";
import type { DomainEvent } from "./protocol/domain-event.ts";
import { domain as domainCodec } from "./protocol/handles.ts";
import { storageVolDownload, storageVolUpload } from "./protocol/storage-volume.ts";
import { answerOpening } from "./testing/answer-opening.ts";
import { encode, FakeDaemon } from "./testing/fake-daemon.ts";
import type { FakePeer } from "./testing/fake-daemon.ts";
import { int, struct } from "./xdr/codec.ts";

const domain = { name: "web-1", uuid: "00112233-4455-6677-8899-aabbccddeeff", id: 3 };
const volume = { pool: "p", name: "v", key: "/p/v" };

const lifecyclePayload = encode(
  struct<{ callbackId: number; domain: typeof domain; event: number; detail: number }>({
    callbackId: int,
    domain: domainCodec,
    event: int,
    detail: int,
  }),
  { callbackId: 0, domain, event: 5, detail: 2 },
);
const lifecycleProcedure = 318;

function healthy(call: Message, peer: FakePeer): void {
  if (answerOpening(call, peer)) return;
  if (call.procedure === connectGetLibVersion.number) peer.reply(call, connectGetLibVersion, { version: 9_000_000 });
}

function open(daemon: FakeDaemon): Libvirt {
  return new Libvirt({
    dial: daemon.dialer,
    uri: "test:///default",
    reconnect: { initialMs: 1, maxMs: 5 },
    openTimeoutMs: 2000,
    defaultTimeoutMs: 2000,
  });
}

function next<E>(subscribe: (listener: (event: E) => void) => () => void): Promise<E> {
  return new Promise((resolve) => {
    const end = subscribe((event) => {
      end();
      resolve(event);
    });
  });
}

test("it connects in the background and calls work when it is ready", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  assert.equal(libvirt.state, "connecting");
  await assert.rejects(libvirt.connectGetLibVersion(), LibvirtConnectionError);
  await libvirt.ready();
  assert.equal(libvirt.state, "connected");
  assert.equal(await libvirt.connectGetLibVersion(), 9_000_000);
  libvirt.close();
  assert.equal(libvirt.state, "closed");
  await assert.rejects(libvirt.connectGetLibVersion(), LibvirtConnectionError);
  await assert.rejects(libvirt.ready(), LibvirtConnectionError);
});

test("after a loss it tells so, reconnects, registers for events again, and only then tells that it is connected", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  const told: string[] = [];
  libvirt.onState((event) => told.push(event.kind));
  await libvirt.ready();

  const lost = next(libvirt.onState.bind(libvirt));
  (await daemon.peer(0)).destroy();
  const event = await lost;
  assert.ok(event.kind === "disconnected" && event.error instanceof LibvirtConnectionError);
  await libvirt.ready();

  const peer = await daemon.peer(1);
  const registered = peer.received.filter((message) => message.procedure === domainEventRegister.number);
  assert.equal(registered.length, domainEventKinds.length);
  const heard = next<DomainEvent>(libvirt.onDomainEvent.bind(libvirt));
  peer.event(lifecycleProcedure, lifecyclePayload);
  assert.deepEqual(await heard, { kind: "lifecycle", domain, event: "stopped", detail: 2 });
  assert.deepEqual(told, ["connected", "disconnected", "connected"]);
});

test("a daemon that is not there yet is waited for, and the loss is told once", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  await daemon.stop();
  using libvirt = open(daemon);
  const told: string[] = [];
  libvirt.onState((event) => told.push(event.kind));
  await assert.rejects(libvirt.ready({ timeoutMs: 40 }), (error: Error) => {
    assert.ok(error instanceof LibvirtTimeoutError);
    assert.ok(error.cause instanceof LibvirtConnectionError);
    return true;
  });
  assert.equal(libvirt.state, "disconnected");
  await daemon.listen();
  await libvirt.ready();
  assert.deepEqual(told, ["disconnected", "connected"]);
});

test("waiting to be ready ends with the signal's reason", async () => {
  await using daemon = await FakeDaemon.start(() => {});
  using libvirt = open(daemon);
  const abort = new AbortController();
  const ready = libvirt.ready({ signal: abort.signal });
  abort.abort(new Error("no more"));
  await assert.rejects(ready, /no more/);
});

test("closing while it connects leaves nothing open", async () => {
  await using daemon = await FakeDaemon.start(() => {});
  using libvirt = open(daemon);
  const ready = libvirt.ready();
  const peer = await daemon.peer(0);
  const closed = peer.closed;
  libvirt.close();
  await assert.rejects(ready, LibvirtConnectionError);
  await closed;
  assert.equal(daemon.peers.length, 1);
});

test("a daemon that drops every connection in mid-opening is dialled again until it does not", async () => {
  let drops = 3;
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure === connectOpen.number && drops-- > 0) peer.destroy();
    else healthy(call, peer);
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  assert.equal(daemon.peers.length, 4);
});

test("a daemon that wants a password is told as such, and asked again later", async () => {
  let types: readonly number[] = [1];
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure === authList.number) peer.reply(call, authList, { types });
    else healthy(call, peer);
  });
  using libvirt = open(daemon);
  const event = await next(libvirt.onState.bind(libvirt));
  assert.ok(event.kind === "disconnected" && isLibvirtError(event.error, "AUTH_UNAVAILABLE"));
  types = [0];
  await libvirt.ready();
});

test("a kind of event that the daemon lacks is done without", async () => {
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure === domainEventRegister.number) peer.replyError(call, 3, 10, "not supported");
    else healthy(call, peer);
  });
  using libvirt = open(daemon);
  await libvirt.ready();
});

test("a listener that throws does not keep others from hearing, and one that was removed hears nothing", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  await libvirt.ready();
  libvirt.onDomainEvent(() => {
    throw new Error("listener");
  });
  let removedHeard = 0;
  libvirt.onDomainEvent(() => removedHeard++)();
  const heard = next<DomainEvent>(libvirt.onDomainEvent.bind(libvirt));
  (await daemon.peer(0)).event(lifecycleProcedure, lifecyclePayload);
  await heard;
  assert.equal(removedHeard, 0);
  assert.equal(libvirt.state, "connected");
});

test("slow calls, agent calls and streams have connections of their own, and a short call does not stand behind them", async () => {
  await using daemon = await FakeDaemon.start(healthy);
  using libvirt = open(daemon);
  await libvirt.ready();
  const slow = Promise.allSettled(
    Array.from({ length: 9 }, () => [
      libvirt.domainCreateWithFlags(domain),
      libvirt.domainInterfaceAddresses(domain, DomainInterfaceAddressesSource.AGENT),
    ]).flat(),
  );
  const upload = libvirt.storageVolUpload(volume, bytes(["never answered"])).catch((error: unknown) => error);
  assert.equal(await libvirt.connectGetLibVersion(), 9_000_000);
  await daemon.peer(3);
  libvirt.close();
  for (const settled of await slow) assert.equal(settled.status, "rejected");
  assert.ok((await upload) instanceof LibvirtConnectionError);
});

test("an upload is done when the daemon has confirmed it, and its connection serves the next one", async () => {
  let stored = Buffer.alloc(0);
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure !== storageVolUpload.number) healthy(call, peer);
    else if (call.type === MessageType.CALL) peer.reply(call, storageVolUpload, {});
    else if (call.status === MessageStatus.CONTINUE) stored = Buffer.concat([stored, call.payload]);
    else peer.stream(call, MessageStatus.OK, Buffer.alloc(0));
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  const progress: number[] = [];
  const sent = await libvirt.storageVolUpload(volume, bytes(["ab", "", "cde"]), {
    onProgress: (sentBytes) => progress.push(sentBytes),
  });
  assert.equal(sent, 5);
  assert.deepEqual(progress, [2, 2, 5]);
  assert.equal(stored.toString(), "abcde");
  assert.equal(await libvirt.storageVolUpload(volume, bytes(["f"])), 1);
  assert.equal(daemon.peers.length, 2);
});

test("an upload whose source fails or hangs is aborted at the daemon, and the source is let go", async () => {
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure !== storageVolUpload.number) healthy(call, peer);
    else if (call.type === MessageType.CALL) peer.reply(call, storageVolUpload, {});
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("ab");
    throw new Error("the source broke");
  }
  await assert.rejects(libvirt.storageVolUpload(volume, failing()), /the source broke/);

  const abort = new AbortController();
  const hanging: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        abort.abort(new Error("gave up"));
        return new Promise(() => {});
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    }),
  };
  await assert.rejects(libvirt.storageVolUpload(volume, hanging, { signal: abort.signal }), /gave up/);
  for (const index of [1, 2]) {
    const peer = await daemon.peer(index);
    await peer.closed;
    assert.equal(peer.received.at(-1)?.status, MessageStatus.ERROR);
  }
  assert.equal(libvirt.state, "connected");
});

test("leaving a download early ends its connection, not the others", async () => {
  await using daemon = await FakeDaemon.start((call, peer) => {
    if (call.procedure !== storageVolDownload.number) {
      healthy(call, peer);
    } else if (call.type === MessageType.CALL) {
      peer.reply(call, storageVolDownload, {});
      peer.stream(call, MessageStatus.CONTINUE, Buffer.from("abc"));
    }
  });
  using libvirt = open(daemon);
  await libvirt.ready();
  for await (const chunk of libvirt.storageVolDownload(volume)) {
    assert.equal(Buffer.from(chunk).toString(), "abc");
    break;
  }
  await (
    await daemon.peer(1)
  ).closed;
  assert.equal(await libvirt.connectGetLibVersion(), 9_000_000);
});

async function* bytes(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}
