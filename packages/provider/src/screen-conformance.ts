// What every provider with screens promises: the part of the conformance suite about them.

import assert from "node:assert/strict";
import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { ConsoleStream } from "./provider.ts";
import type { ScreenRole } from "./screen.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function screenRules(rule: Rule): void {
  /** Skipped where the provider has no screens. */
  const screenRule = (title: string, run: (subject: ConformanceSubject, screen: ScreenRole) => Promise<void>): void =>
    rule(title, async (subject) => {
      if (subject.provider.screen !== undefined) await run(subject, subject.provider.screen);
    });

  screenRule("a VM that does not exist or is off has no screen to look at", async (subject, screen) => {
    const vm = subject.newVm();
    const { signal } = new AbortController();
    await rejects(screen.open(vm, { signal }), "NotFound");
    await rejects(screen.capture(vm), "NotFound");
    await build(subject, vm);
    await rejects(screen.open(vm, { signal }), "Conflict");
    await rejects(screen.capture(vm), "Conflict");
    await dismantle(subject.provider, vm);
  });

  screenRule("the picture of a screen is of the format that it says", async (subject, screen) => {
    const vm = subject.newVm();
    await build(subject, vm);
    await subject.provider.compute.start(vm);
    const { mediaType, bytes } = await screen.capture(vm);
    const start = mediaType === "image/png" ? "\u0089PNG" : "P6";
    assert.equal(Buffer.from(bytes.subarray(0, start.length)).toString("latin1"), start);
    await dismantle(subject.provider, vm);
  });

  screenRule(
    "several may look at once, without a password, until the VM stops or they leave",
    async (subject, screen) => {
      const vm = subject.newVm();
      await build(subject, vm);
      await subject.provider.compute.start(vm);
      const leave = new AbortController();
      const stays = await screen.open(vm, { signal: new AbortController().signal });
      const leaves = await screen.open(vm, { signal: leave.signal });
      const sessions = await Promise.all([greet(stays), greet(leaves)]);
      leave.abort();
      await sessions[1]?.end;
      await subject.provider.compute.forceOff(vm);
      await sessions[0]?.end;
      await dismantle(subject.provider, vm);
    },
  );
}

/** Begins a session of RFB 3.8; `end` resolves when the stream does. */
async function greet(stream: ConsoleStream): Promise<{ readonly end: Promise<void> }> {
  const chunks = stream.output[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer> => {
    while (held.length < length) {
      const next = await chunks.next();
      assert.ok(next.done !== true, "the session ended early");
      held = Buffer.concat([held, next.value]);
    }
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };
  assert.match((await take(12)).toString("latin1"), /^RFB 003\.\d\d\d\n$/);
  await stream.write(Buffer.from("RFB 003.008\n"));
  const [count = 0] = await take(1);
  assert.ok([...(await take(count))].includes(1), "expected the security type None");
  await stream.write(new Uint8Array([1]));
  assert.equal((await take(4)).readUInt32BE(), 0);
  const drain = async (): Promise<void> => {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      assert.ok(next.value.length > 0);
  };
  return { end: drain() };
}
