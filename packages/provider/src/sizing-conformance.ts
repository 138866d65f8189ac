// What every provider that plays the role promises about sizes that change while a VM runs: a part of the conformance suite.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { VmIdentity, VmObservation } from "./provider.ts";
import type { SizingRole } from "./sizing.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

const mib = 2 ** 20;

export function sizingRules(rule: Rule): void {
  /** With a VM that can grow to 4 CPUs and 256 MiB, and is off; skipped where the provider does not play the role. */
  const sizingRule = (
    title: string,
    run: (subject: ConformanceSubject & { readonly sizing: SizingRole }, vm: VmIdentity) => Promise<void>,
  ): void =>
    rule(title, async (subject) => {
      const { sizing, compute } = subject.provider;
      if (sizing === undefined) return;
      const vm = subject.newVm();
      await build(subject, vm);
      await compute.define({ ...definitionOf(vm), maxCpus: 4, maxMemoryBytes: 256 * mib, limits: { cpuShares: 512 } });
      await run({ ...subject, sizing }, vm);
      await dismantle(subject.provider, vm);
    });

  sizingRule("a VM that is off keeps its size", async ({ sizing, provider }, vm) => {
    await rejects(sizing.addCpus(vm, 2), "Conflict");
    await rejects(sizing.setMemory(vm, 128 * mib), "Conflict");
    await rejects(sizing.setLimits(vm, {}), "Conflict");
    const seen = present(await provider.compute.observe(vm));
    assert.deepEqual([seen.cpus, seen.maxCpus, seen.memoryBytes, seen.maxMemoryBytes], [1, 4, 64 * mib, 256 * mib]);
    assert.deepEqual(seen.limits, { cpuShares: 512 });
  });

  sizingRule(
    "CPUs are added up to what the VM was made for, and never taken away",
    async ({ sizing, provider }, vm) => {
      await provider.compute.start(vm);
      await sizing.addCpus(vm, 3);
      await sizing.addCpus(vm, 3);
      assert.equal(present(await provider.compute.observe(vm)).cpus, 3);
      await rejects(sizing.addCpus(vm, 5), "Unsupported");
      await rejects(sizing.addCpus(vm, 1), "Unsupported");
      assert.equal(present(await provider.compute.observe(vm)).cpus, 3);
      await provider.compute.forceOff(vm);
      assert.equal(present(await provider.compute.observe(vm)).cpus, 3);
    },
  );

  sizingRule("memory above what the VM was made for is refused", async ({ sizing, provider }, vm) => {
    await provider.compute.start(vm);
    await rejects(sizing.setMemory(vm, 512 * mib), "Unsupported");
    await sizing.setMemory(vm, 128 * mib);
    await sizing.setMemory(vm, 128 * mib);
  });

  sizingRule("limits of a running VM are changed, and are gone when they are no longer wanted", async (subject, vm) => {
    const { sizing, provider } = subject;
    const limits = { cpuShares: 256, cpuMhz: 1000, memoryBytes: 1024 * mib };
    await provider.compute.start(vm);
    await sizing.setLimits(vm, limits);
    assert.deepEqual(present(await provider.compute.observe(vm)).limits, limits);
    await sizing.setLimits(vm, { cpuShares: 256 });
    assert.deepEqual(present(await provider.compute.observe(vm)).limits, { cpuShares: 256 });
  });

  sizingRule("a VM that starts with the host is so also when it is defined anew", async ({ sizing, provider }, vm) => {
    await sizing.setStartOnBoot(vm, true);
    await sizing.setStartOnBoot(vm, true);
    await provider.compute.define({ ...definitionOf(vm), startsOnBoot: true });
    await sizing.setStartOnBoot(vm, false);
  });
}

function present(seen: VmObservation): Extract<VmObservation, { kind: "present" }> {
  assert.equal(seen.kind, "present");
  return seen;
}
