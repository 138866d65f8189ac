// The rules of the role `host`.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { Provider, VmIdentity } from "./provider.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function hostRules(rule: Rule): void {
  rule("a host tells what runs there", async ({ provider }) => {
    if (provider.host === undefined) return;
    const details = await provider.host.details();
    assert.ok(details.versions.hypervisor.length > 0);
    assert.deepEqual(await provider.host.details(), details);
  });

  rule("a host lists domains of ours and of others, and which of them run", async (subject) => {
    const { provider, newVm, makeForeign } = subject;
    if (provider.host === undefined) return;
    const [vm, other] = [newVm(), newVm()];
    assert.equal(await summaryOf(provider, vm), undefined);
    await makeForeign(other);
    await build(subject, vm);
    const { cpus, memoryBytes } = definitionOf(vm);
    const off = await summaryOf(provider, vm);
    assert.deepEqual([off?.isOn, off?.cpus, off?.memoryBytes], [false, cpus, memoryBytes]);
    await provider.compute.start(vm);
    assert.equal((await summaryOf(provider, vm))?.isOn, true);
    const all = await provider.host.domains();
    assert.ok(all.some(({ name, uid }) => name.includes(other.name) && uid !== other.uid));
    await dismantle(provider, vm);
    assert.equal(await summaryOf(provider, vm), undefined);
  });
}

async function summaryOf(provider: Provider, { uid }: VmIdentity) {
  return (await provider.host?.domains())?.find((domain) => domain.uid === uid);
}
