// The beginning of a session. Where its VNC server wants a password, it is shown in the caller's place (RFC 6143, 7.1 and 7.2.2), and the
// caller, whom the API server let in, meets a server that asks for none.
//
//   QEMU ◄─ version, VNC authentication ─► here ◄─ version, no authentication ─► caller
//   QEMU ◄──────────────────────── all that follows, untouched ────────────────► caller

import { createCipheriv } from "node:crypto";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleStream } from "@vivarium/provider";
import { ByteInbox, ByteSource } from "./byte-source.ts";

const version = Buffer.from("RFB 003.008\n");
const securityNone = 1;
const securityVnc = 2;

/** The session of a caller who needs no password. Throws Unauthorized when the server does not take it. */
export async function logIn(stream: ConsoleStream, password: string): Promise<ConsoleStream> {
  const server = new ByteSource(stream.output);
  const need = (length: number): Promise<Buffer> => taken(server, length);
  await need(version.length);
  await stream.write(version);
  const [count = 0] = await need(1);
  const offered = await need(count);
  if (!offered.includes(securityVnc)) {
    const message = `Cannot open the screen: its VNC server offers the security types ${[...offered].join()}, expected ${securityVnc}`;
    throw new ProviderError("Unsupported", message);
  }
  await stream.write(Buffer.of(securityVnc));
  await stream.write(answerTo(await need(16), password));
  if ((await need(4)).readUInt32BE() !== 0)
    throw new ProviderError("Unauthorized", "Cannot open the screen: its VNC server refused the domain's password");
  return openedTo(stream, server);
}

/** The session as it is, once its server has spoken: it is there, whatever lies between. */
export async function greeted(stream: ConsoleStream): Promise<ConsoleStream> {
  const server = new ByteSource(stream.output);
  const greeting = await taken(server, version.length);
  async function* output(): AsyncGenerator<Uint8Array, void, undefined> {
    yield greeting;
    yield* server.rest();
  }
  return { ...stream, output: output() };
}

async function taken(server: ByteSource, length: number): Promise<Buffer> {
  const bytes = await server.take(length);
  if (bytes === undefined) throw new ProviderError("Unavailable", "Cannot open the screen: its VNC server hung up");
  return bytes;
}

/** DES with the password as its key, whose bits VNC takes in reverse order. One DES key three times is triple DES without a gain. */
export function answerTo(challenge: Uint8Array, password: string): Uint8Array {
  const key = Buffer.alloc(8);
  key.set(Buffer.from(password, "latin1").subarray(0, key.length));
  const reversed = key.map(reverseBits);
  const cipher = createCipheriv("des-ede3", Buffer.concat([reversed, reversed, reversed]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}

function reverseBits(byte: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((byte >> bit) & 1) << (7 - bit);
  return reversed;
}

function openedTo(stream: ConsoleStream, server: ByteSource): ConsoleStream {
  const caller = new ByteInbox();
  let isOpen = false;

  async function* output(): AsyncGenerator<Uint8Array, void, undefined> {
    yield version;
    const wanted = (await caller.take(version.length))?.toString("latin1");
    if (wanted === undefined) return;
    // RFB 3.3 is told the type and says nothing; 3.7 chooses one; only 3.8 is told that the choice was right.
    if (wanted === "RFB 003.003\n") yield Buffer.of(0, 0, 0, securityNone);
    else {
      yield Buffer.of(1, securityNone);
      if ((await caller.take(1))?.[0] !== securityNone) return;
      if (wanted !== "RFB 003.007\n") yield Buffer.alloc(4);
    }
    isOpen = true;
    await stream.write(caller.takeAll());
    yield* server.rest();
  }

  return {
    output: output(),
    async write(bytes) {
      if (isOpen) await stream.write(bytes);
      else caller.push(bytes);
    },
    close() {
      caller.end();
      return stream.close();
    },
  };
}
