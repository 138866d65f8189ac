import assert from "node:assert/strict";
import { test } from "node:test";
import { isProviderError } from "@vivarium/provider";
import type { ConsoleStream } from "@vivarium/provider";
import { ByteInbox, ByteSource } from "./byte-source.ts";
import { answerTo, logIn } from "./log-in.ts";

const challenge = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const version = Buffer.from("RFB 003.008\n");

/** A stream whose other end is in the test's hands. */
function pipe(): {
  readonly stream: ConsoleStream;
  readonly sent: ByteInbox;
  readonly say: (bytes: Uint8Array) => void;
} {
  const sent = new ByteInbox();
  const said = new ByteInbox();
  async function* output(): AsyncGenerator<Uint8Array> {
    for (let byte = await said.take(1); byte !== undefined; byte = await said.take(1)) yield byte;
  }
  const stream: ConsoleStream = {
    output: output(),
    write: (bytes) => Promise.resolve(sent.push(bytes)),
    close: () => Promise.resolve(said.end()),
  };
  return { stream, sent, say: (bytes) => said.push(bytes) };
}

/** Plays QEMU's VNC server up to the result of the login. */
async function admit({ sent, say }: ReturnType<typeof pipe>, password: string): Promise<void> {
  say(version);
  assert.deepEqual(await sent.take(12), version);
  say(Buffer.of(1, 2));
  assert.deepEqual(await sent.take(1), Buffer.of(2));
  say(challenge);
  const isRight = Buffer.from(answerTo(challenge, password)).equals((await sent.take(16)) ?? Buffer.alloc(0));
  say(Buffer.of(0, 0, 0, isRight ? 0 : 1));
}

test("the answer is DES of the challenge with the bits of the password's bytes reversed, up to eight of them", () => {
  // By `openssl enc -des-ecb -nopad -provider legacy -K 0e86ceceeef64e26`.
  const answer = "b7b9c87777661a7a2299733209bfdfce";
  assert.equal(Buffer.from(answerTo(challenge, "password")).toString("hex"), answer);
  assert.equal(Buffer.from(answerTo(challenge, "password-and-more")).toString("hex"), answer);
});

for (const [wanted, toSend, toHear] of [
  ["RFB 003.003\n", [], [0, 0, 0, 1]],
  ["RFB 003.007\n", [1], [1, 1]],
  ["RFB 003.008\n", [1], [1, 1, 0, 0, 0, 0]],
  ["RFB 003.889\n", [1], [1, 1, 0, 0, 0, 0]],
] as const) {
  test(`a caller who speaks ${wanted.trim()} is asked for no password, and then hears the server`, async () => {
    const server = pipe();
    const [stream] = await Promise.all([logIn(server.stream, "secret12"), admit(server, "secret12")]);
    const heard = new ByteSource(stream.output);
    assert.deepEqual(await heard.take(12), version);
    // All at once, as no proper client does: nothing is lost.
    await stream.write(Buffer.from(`${wanted}${String.fromCharCode(...toSend)}more`, "latin1"));
    assert.deepEqual([...((await heard.take(toHear.length)) ?? [])], toHear);
    server.say(Buffer.from("picture"));
    assert.equal(String(await heard.take(7)), "picture");
    assert.equal(String(await server.sent.take(4)), "more");
    await stream.write(Buffer.from("typed"));
    assert.equal(String(await server.sent.take(5)), "typed");
    await stream.close();
    assert.equal(await heard.take(1), undefined);
  });
}

test("a caller who insists on another security type hears no more", async () => {
  const server = pipe();
  const [stream] = await Promise.all([logIn(server.stream, "secret12"), admit(server, "secret12")]);
  const heard = new ByteSource(stream.output);
  await heard.take(12);
  await stream.write(Buffer.from("RFB 003.008\n\u0002", "latin1"));
  assert.equal((await heard.take(2))?.length, 2);
  assert.equal(await heard.take(1), undefined);
});

test("a wrong password, another kind of server and one that hangs up are told apart", async () => {
  const wrong = pipe();
  const refused = assert.rejects(logIn(wrong.stream, "secret12"), (error) => isProviderError(error, "Unauthorized"));
  await Promise.all([refused, admit(wrong, "another1")]);
  const other = pipe();
  other.say(version);
  other.say(Buffer.of(1, 19));
  await assert.rejects(logIn(other.stream, "secret12"), (error) => isProviderError(error, "Unsupported"));
  const gone = pipe();
  await gone.stream.close();
  await assert.rejects(logIn(gone.stream, "secret12"), (error) => isProviderError(error, "Unavailable"));
});
