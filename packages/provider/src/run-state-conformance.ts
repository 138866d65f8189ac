// What every provider that plays the role promises about pausing, saving, rebooting and resetting: a part of the conformance suite.

import assert from "node:assert/strict";
import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { VmIdentity } from "./provider.ts";
import type { RunStateRole } from "./run-state.ts";

/** What a VM that is off cannot do. */
const acts = ["pause", "resume", "suspend", "requestReboot", "reset"] as const;

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function runStateRules(rule: Rule): void {
  /** With a VM that is built and off; skipped where the provider does not play the role. */
  const runStateRule = (
    title: string,
    run: (subject: ConformanceSubject & { readonly runState: RunStateRole }, vm: VmIdentity) => Promise<void>,
  ): void =>
    rule(title, async (subject) => {
      const { runState } = subject.provider;
      if (runState === undefined) return;
      const vm = subject.newVm();
      await build(subject, vm);
      await run({ ...subject, runState }, vm);
      await dismantle(subject.provider, vm);
      assert.deepEqual(await subject.provider.compute.observe(vm), { kind: "absent", volumes: [] });
    });

  rule("what is done to a VM that does not exist is NotFound", async ({ provider: { runState }, newVm }) => {
    if (runState === undefined) return;
    for (const act of acts) await rejects(runState[act](newVm()), "NotFound");
    await rejects(runState.discardMemory(newVm()), "NotFound");
  });

  runStateRule("a VM that is off is neither paused nor saved nor reset", async ({ runState, provider }, vm) => {
    for (const act of acts) await rejects(runState[act](vm), "Conflict");
    await runState.discardMemory(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["off", false]);
  });

  runStateRule("a VM is paused and goes on, each step twice", async ({ runState, provider }, vm) => {
    await provider.compute.start(vm);
    await runState.pause(vm);
    await runState.pause(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["paused", false]);
    await provider.compute.start(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["paused", false]);
    await runState.resume(vm);
    await runState.resume(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["running", false]);
  });

  runStateRule("a VM that is started paused waits", async ({ runState, provider }, vm) => {
    await provider.compute.start(vm, { isPaused: true });
    assert.deepEqual(await stateOf({ provider }, vm), ["paused", false]);
    await runState.resume(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["running", false]);
  });

  runStateRule("memory saved to disk is there until the next start, or until it is discarded", async (subject, vm) => {
    const { runState, provider } = subject;
    await provider.compute.start(vm);
    await runState.suspend(vm);
    await runState.suspend(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["off", true]);
    await provider.compute.start(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["running", false]);
    await runState.suspend(vm);
    await runState.discardMemory(vm);
    await runState.discardMemory(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["off", false]);
  });

  runStateRule("a VM that was saved while paused goes on, unless it shall wait", async ({ runState, provider }, vm) => {
    await provider.compute.start(vm, { isPaused: true });
    await runState.suspend(vm);
    await provider.compute.start(vm);
    assert.deepEqual(await stateOf({ provider }, vm), ["running", false]);
    await runState.suspend(vm);
    await provider.compute.start(vm, { isPaused: true });
    assert.deepEqual(await stateOf({ provider }, vm), ["paused", false]);
  });

  runStateRule("saved memory goes with the VM", async ({ runState, provider }, vm) => {
    await provider.compute.start(vm);
    await runState.suspend(vm);
  });

  runStateRule("a running VM is reset and asked to reboot, and runs on", async ({ runState, provider }, vm) => {
    await provider.compute.start(vm);
    await runState.reset(vm);
    await runState.requestReboot(vm);
    const [power] = await stateOf({ provider }, vm);
    assert.ok(power === "running" || power === "shutting-down", power);
  });
}

async function stateOf(
  { provider }: Pick<ConformanceSubject, "provider">,
  vm: VmIdentity,
): Promise<readonly [string, boolean]> {
  const seen = await provider.compute.observe(vm);
  return seen.kind === "present" ? [seen.power, seen.hasSavedMemory ?? false] : [seen.kind, false];
}
