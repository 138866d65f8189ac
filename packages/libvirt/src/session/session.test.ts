import assert from "node:assert/strict";
import { test } from "node:test";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import { isLibvirtError, isUnsupportedCall } from "../errors/libvirt-error.ts";
import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import { encodeMessage, MessageStatus, MessageType } from "../framing/message.ts";
import type { Message } from "../framing/message.ts";
import { connectGetHostname, connectGetLibVersion } from "../protocol/connect.ts";
import { Program } from "../protocol/procedure.ts";
import { storageVolDownload, storageVolUpload } from "../protocol/storage-volume.ts";
import { encode, FakeDaemon, replyFrame } from "../testing/fake-daemon.ts";
import type { FakePeer } from "../testing/fake-daemon.ts";
import { Session } from "./session.ts";

type OnCall = (call: Message, peer: FakePeer) => void;

interface Fixture extends AsyncDisposable {
  readonly session: Session;
  readonly daemon: FakeDaemon;
  readonly peer: FakePeer;
}

async function connect(onCall: OnCall, keepaliveIntervalMs = 60_000): Promise<Fixture> {
  const daemon = await FakeDaemon.start(onCall);
  const socket = await daemon.dialer.dial({ signal: new AbortController().signal });
  const session = new Session(socket, { address: "fake", defaultTimeoutMs: 5000, keepaliveIntervalMs });
  const peer = await daemon.peer(0);
  return {
    session,
    daemon,
    peer,
    async [Symbol.asyncDispose]() {
      session.close();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

const noAnswer: OnCall = () => {};
const answer: OnCall = (call, peer) => peer.reply(call, connectGetLibVersion, { version: 9_000_000 });
const transfer = { volume: { pool: "p", name: "v", key: "/p/v" }, offset: 0, length: 0, flags: 0 };

/** Calls the fake daemon and waits until it has seen the call. */
async function seen(peer: FakePeer, count: number): Promise<void> {
  while (peer.received.length < count) await new Promise((resolve) => setImmediate(resolve));
}

test("answers go to their calls, in whatever order they come", async () => {
  const held: (() => void)[] = [];
  await using fixture = await connect((call, peer) => {
    held.push(() => {
      if (call.procedure === connectGetLibVersion.number) answer(call, peer);
      else peer.reply(call, connectGetHostname, { hostname: `host-${call.serial}` });
    });
    if (held.length === 3) for (const send of held.toReversed()) send();
  });
  const { session } = fixture;
  const answers = await Promise.all([
    session.call(connectGetHostname, {}),
    session.call(connectGetLibVersion, {}),
    session.call(connectGetHostname, {}),
  ]);
  assert.deepEqual(answers, [{ hostname: "host-1" }, { version: 9_000_000 }, { hostname: "host-3" }]);
});

test("a reply may come in any number of pieces", async () => {
  await using fixture = await connect((call, peer) => {
    const frame = replyFrame(call, encode(connectGetLibVersion.ret, { version: 1 }));
    for (const byte of frame) peer.raw(Uint8Array.of(byte));
  });
  assert.deepEqual(await fixture.session.call(connectGetLibVersion, {}), { version: 1 });
});

test("an error of the daemon fails its call alone", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.serial === 1) peer.replyError(call, 42, 10, "Domain not found");
    else answer(call, peer);
  });
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), (error) => isLibvirtError(error, "NO_DOMAIN"));
  assert.deepEqual(await fixture.session.call(connectGetLibVersion, {}), { version: 9_000_000 });
});

test("a procedure that the daemon does not know is told as such", async () => {
  await using fixture = await connect((call, peer) => peer.replyError(call, 39, 7, "unknown procedure: 157"));
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), (error) => isUnsupportedCall(error));
});

test("at most four calls are in flight; the others follow as answers come", async () => {
  const calls: Message[] = [];
  await using fixture = await connect((call) => calls.push(call));
  const { session, peer } = fixture;
  const answers = Array.from({ length: 12 }, () => session.call(connectGetLibVersion, {}));
  await seen(peer, 4);
  // One more turn of everything that was written: still four.
  peer.raw(encodeMessage({ ...keepalive, procedure: 1 }, new Uint8Array(0)));
  await seen(peer, 5);
  assert.equal(calls.filter((call) => call.program === Program.REMOTE).length, 4);
  for (let index = 0; index < 13; index++) {
    await seen(peer, index + 1);
    const call = calls[index];
    if (call !== undefined && call.program === Program.REMOTE) answer(call, peer);
  }
  assert.equal((await Promise.all(answers)).length, 12);
});

const keepalive = {
  program: Program.KEEPALIVE,
  version: 1,
  procedure: 1,
  type: MessageType.MESSAGE,
  serial: 0,
  status: MessageStatus.OK,
};

test("a keepalive ping of the daemon is answered", async () => {
  await using fixture = await connect(noAnswer);
  fixture.peer.raw(encodeMessage(keepalive, new Uint8Array(0)));
  await seen(fixture.peer, 1);
  const [pong] = fixture.peer.received;
  assert.deepEqual([pong?.program, pong?.procedure, pong?.type], [Program.KEEPALIVE, 2, MessageType.MESSAGE]);
});

test("a daemon that is silent though its socket is open counts as lost", async () => {
  await using fixture = await connect(noAnswer, 5);
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), LibvirtConnectionError);
  const pings = fixture.peer.received.filter((message) => message.program === Program.KEEPALIVE);
  assert.deepEqual(
    pings.map((ping) => ping.procedure),
    [1, 1],
  );
});

test("when the daemon dies, all waiters fail at once: in flight, queued and streaming", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.procedure === storageVolDownload.number) peer.reply(call, storageVolDownload, {});
  });
  const { session, peer } = fixture;
  const { stream } = await session.openStream(storageVolDownload, transfer);
  const reading = stream.read();
  const calls = Array.from({ length: 9 }, () => session.call(connectGetLibVersion, {}));
  await seen(peer, 5);
  peer.destroy();
  for (const settled of await Promise.allSettled([reading, ...calls])) {
    assert.ok(settled.status === "rejected" && settled.reason instanceof LibvirtConnectionError);
  }
  assert.ok(session.lost instanceof LibvirtConnectionError);
  await assert.rejects(session.call(connectGetLibVersion, {}), LibvirtConnectionError);
});

test("half a reply and then the end is a loss", async () => {
  await using fixture = await connect((call, peer) => {
    const frame = replyFrame(call, encode(connectGetLibVersion.ret, { version: 1 }));
    peer.end(frame.subarray(0, frame.length - 3));
  });
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), LibvirtConnectionError);
});

test("bytes that are not the protocol end the connection with that cause", async () => {
  await using fixture = await connect((_call, peer) => peer.raw(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")));
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), (error: Error) => {
    assert.ok(error instanceof LibvirtConnectionError);
    assert.equal((error.cause as Error).name, "LibvirtProtocolError");
    return true;
  });
});

test("a reply to no call ends the connection", async () => {
  await using fixture = await connect((call, peer) => answer({ ...call, serial: call.serial + 7 }, peer));
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}), LibvirtConnectionError);
});

test("a lost reply ends in the call's deadline, and the connection goes on", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.serial !== 1) answer(call, peer);
  });
  const { session } = fixture;
  await assert.rejects(session.call(connectGetLibVersion, {}, { timeoutMs: 20 }), LibvirtTimeoutError);
  assert.deepEqual(await session.call(connectGetLibVersion, {}), { version: 9_000_000 });
});

test("a reply that comes after its deadline is dropped", async () => {
  const late: (() => void)[] = [];
  await using fixture = await connect((call, peer) => {
    if (call.serial === 1) {
      late.push(() => answer(call, peer));
    } else {
      late.pop()?.();
      peer.reply(call, connectGetLibVersion, { version: 2 });
    }
  });
  const { session } = fixture;
  await assert.rejects(session.call(connectGetLibVersion, {}, { timeoutMs: 20 }), LibvirtTimeoutError);
  assert.deepEqual(await session.call(connectGetLibVersion, {}), { version: 2 });
});

test("an abort ends the wait with the signal's reason", async () => {
  await using fixture = await connect(noAnswer);
  const abort = new AbortController();
  const reason = new Error("changed my mind");
  const call = fixture.session.call(connectGetLibVersion, {}, { signal: abort.signal });
  await seen(fixture.peer, 1);
  abort.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(fixture.session.call(connectGetLibVersion, {}, { signal: abort.signal }), reason);
  assert.equal(fixture.peer.received.length, 1);
});

test("a queued call that is given up is never sent", async () => {
  const calls: Message[] = [];
  await using fixture = await connect((call) => calls.push(call));
  const { session, peer } = fixture;
  const first = Array.from({ length: 4 }, () => session.call(connectGetLibVersion, {}));
  const abort = new AbortController();
  const queued = session.call(connectGetHostname, {}, { signal: abort.signal });
  await seen(peer, 4);
  abort.abort(new Error("not needed"));
  await assert.rejects(queued, /not needed/);
  for (const call of calls) answer(call, peer);
  await Promise.all(first);
  const last = session.call(connectGetLibVersion, {});
  await seen(peer, 5);
  answer(calls[4] as Message, peer);
  await last;
  assert.ok(calls.every((call) => call.procedure === connectGetLibVersion.number));
});

test("a connection on which four calls are never answered is given up by the next that waits in vain", async () => {
  await using fixture = await connect(noAnswer);
  const { session } = fixture;
  const stuck = Array.from({ length: 4 }, () => session.call(connectGetLibVersion, {}, { timeoutMs: 10 }));
  for (const settled of await Promise.allSettled(stuck)) assert.equal(settled.status, "rejected");
  const lostBefore = session.lost;
  assert.equal(lostBefore, undefined);
  await assert.rejects(session.call(connectGetLibVersion, {}, { timeoutMs: 10 }), LibvirtTimeoutError);
  assert.ok(session.lost instanceof LibvirtConnectionError);
});

test("stream data that comes with the reply is not lost", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.type === MessageType.CALL) {
      peer.raw(
        Buffer.concat([
          replyFrame(call, Buffer.alloc(0)),
          encodeMessage({ ...call, type: MessageType.STREAM, status: MessageStatus.CONTINUE }, Buffer.from("abc")),
          encodeMessage({ ...call, type: MessageType.STREAM, status: MessageStatus.CONTINUE }, Buffer.alloc(0)),
        ]),
      );
    } else if (call.status === MessageStatus.OK) {
      peer.stream(call, MessageStatus.OK, Buffer.alloc(0));
    }
  });
  const { stream } = await fixture.session.openStream(storageVolDownload, transfer);
  assert.equal((await stream.read())?.toString(), "abc");
  assert.equal(await stream.read(), undefined);
  await stream.finish();
});

test("a slow reader stops the socket instead of filling the memory", async () => {
  const chunk = Buffer.alloc(256 * 1024, 1);
  const total = 64;
  await using fixture = await connect((call, peer) => {
    if (call.type === MessageType.STREAM) {
      peer.stream(call, MessageStatus.OK, Buffer.alloc(0));
      return;
    }
    peer.reply(call, storageVolDownload, {});
    for (let index = 0; index < total; index++) peer.stream(call, MessageStatus.CONTINUE, chunk);
    peer.stream(call, MessageStatus.CONTINUE, Buffer.alloc(0));
  });
  const { stream } = await fixture.session.openStream(storageVolDownload, transfer);
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
  // Held here: 1 MiB, the message in the making, and what the kernel has.
  assert.ok(fixture.peer.unsentBytes > (total - 8) * chunk.length);
  let bytes = 0;
  for (let got = await stream.read(); got !== undefined; got = await stream.read()) bytes += got.length;
  assert.equal(bytes, total * chunk.length);
  await stream.finish();
});

test("an error of the daemon in mid-upload fails the upload", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.type === MessageType.CALL) peer.reply(call, storageVolUpload, {});
    else peer.stream(call, MessageStatus.ERROR, encodeNoSpace());
  });
  const { stream } = await fixture.session.openStream(storageVolUpload, transfer);
  await stream.write(Buffer.from("abc"));
  await assert.rejects(stream.failure, (error) => isLibvirtError(error, "SYSTEM_ERROR"));
  await assert.rejects(stream.write(Buffer.from("def")), (error) => isLibvirtError(error, "SYSTEM_ERROR"));
  await assert.rejects(stream.finish(), (error) => isLibvirtError(error, "SYSTEM_ERROR"));
});

test("an upload to a daemon that reads nothing stalls into a timeout", async () => {
  await using fixture = await connect((call, peer) => {
    peer.reply(call, storageVolUpload, {});
    peer.pause();
  });
  const { stream } = await fixture.session.openStream(storageVolUpload, transfer);
  const bytes = Buffer.alloc(1024 * 1024);
  await assert.rejects(async () => {
    for (;;) await stream.write(bytes, { timeoutMs: 30 });
  }, LibvirtTimeoutError);
});

test("a stream without progress stalls into a timeout, and the abort of a wait gives its reason", async () => {
  await using fixture = await connect((call, peer) => {
    if (call.type === MessageType.CALL) peer.reply(call, storageVolDownload, {});
  });
  const { stream } = await fixture.session.openStream(storageVolDownload, transfer);
  await assert.rejects(stream.read({ timeoutMs: 10 }), LibvirtTimeoutError);
  const abort = new AbortController();
  const reading = stream.read({ signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(reading, /enough/);
  stream.abort(new Error("enough"));
  await seen(fixture.peer, 2);
  assert.equal(fixture.peer.received[1]?.status, MessageStatus.ERROR);
});

test("closing on our side fails the waiters and tells the listeners once", async () => {
  await using fixture = await connect(noAnswer);
  const { session } = fixture;
  const told: Error[] = [];
  session.onLost((error) => told.push(error));
  const call = session.call(connectGetLibVersion, {});
  session.close();
  session.close();
  await assert.rejects(call, LibvirtConnectionError);
  assert.equal(told.length, 1);
  session.onLost((error) => told.push(error));
  assert.equal(told.length, 2);
});

function encodeNoSpace(): Buffer {
  const words = [38, 38, 0, 2, 0, 0, 0, 0, 28, -1, 0];
  const bytes = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeInt32BE(word, index * 4);
  return bytes;
}
