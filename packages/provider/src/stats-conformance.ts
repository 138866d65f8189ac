// What every provider with figures promises: the part of the conformance suite about them.

import assert from "node:assert/strict";
import { build, dismantle } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { VmIdentity } from "./provider.ts";
import type { DomainStats, HostStats, StatsRole } from "./stats.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function statsRules(rule: Rule): void {
  /** Skipped where the provider has no figures. */
  const statsRule = (
    title: string,
    run: (subject: ConformanceSubject & { readonly stats: StatsRole }) => Promise<void>,
  ): void =>
    rule(title, async (subject) => {
      const { stats } = subject.provider;
      if (stats !== undefined) await run({ ...subject, stats });
    });

  statsRule("the host's figures are those of a host", async ({ stats }) => {
    const { hostname, cpu, memory } = await stats.read();
    assert.ok(hostname.length > 0);
    assert.ok(cpu.cpus > 0);
    assert.ok(memory.totalBytes > 0 && memory.freeBytes + memory.reclaimableBytes <= memory.totalBytes);
  });

  statsRule("a VM that is off has a size and no figures", async (subject) => {
    const vm = subject.newVm();
    assert.equal(of(await subject.stats.read(), vm), undefined);
    await build(subject, vm);
    const { power, run, cpus, memoryBytes, cpu, disks, nics } = required(await subject.stats.read(), vm);
    assert.deepEqual(
      { power, run, cpus, memoryBytes, cpu, disks, nics },
      { power: "off", run: undefined, cpus: 1, memoryBytes: 64 * 2 ** 20, cpu: undefined, disks: [], nics: [] },
    );
    await dismantle(subject.provider, vm);
    assert.equal(of(await subject.stats.read(), vm), undefined);
  });

  statsRule("a VM that runs has figures of CPU, memory, disks and NICs, by the names it was given", async (subject) => {
    const { provider, stats, newVm } = subject;
    const vm = newVm();
    await build(subject, vm);
    await provider.compute.start(vm);
    const first = required(await stats.read(), vm);
    assert.equal(first.power, "running");
    assert.ok((first.cpu?.seconds ?? -1) >= 0 && (first.memory?.balloonBytes ?? 0) > 0);
    assert.ok(first.disks.some((disk) => disk.name === "root" && disk.readBytes !== undefined));
    assert.deepEqual(
      first.nics.map((nic) => nic.name),
      ["lan"],
    );
    const second = required(await stats.read(), vm);
    assert.equal(second.run, first.run);
    assert.ok((second.cpu?.seconds ?? 0) >= (first.cpu?.seconds ?? 0), "CPU time grows");
    await provider.compute.forceOff(vm);
    await provider.compute.start(vm);
    assert.notEqual(required(await stats.read(), vm).run, first.run, "another start is another run");
    await dismantle(provider, vm);
  });

  statsRule("domains of others are told too", async ({ stats, newVm, makeForeign }) => {
    const vm = newVm();
    const before = new Set((await stats.read()).domains.map((domain) => domain.uid));
    await makeForeign(vm);
    const others = (await stats.read()).domains.filter((domain) => !before.has(domain.uid));
    assert.ok(others.some((domain) => domain.uid !== vm.uid && domain.cpus > 0));
  });

  statsRule("a look whose signal is aborted ends with the signal's reason", async ({ stats }) => {
    const reason = new Error("the caller left");
    await assert.rejects(stats.read({ signal: AbortSignal.abort(reason) }), reason);
  });
}

function of({ domains }: HostStats, vm: VmIdentity): DomainStats | undefined {
  return domains.find((domain) => domain.uid === vm.uid);
}

function required(host: HostStats, vm: VmIdentity): DomainStats {
  const found = of(host, vm);
  assert.ok(found, `no figures of ${vm.name}`);
  return found;
}
