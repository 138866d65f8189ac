// The rules of the role `adoption`.

import assert from "node:assert/strict";
import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import { domainNameOf } from "./domain-name.ts";
import type { AdoptionRole } from "./adoption.ts";
import type { VmIdentity } from "./provider.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function adoptionRules(rule: Rule): void {
  const adoptionRule = (title: string, run: (subject: ConformanceSubject, role: AdoptionRole) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { adoption } = subject.provider;
      if (adoption !== undefined) await run(subject, adoption);
    });

  adoptionRule("a domain is nobody's until it is bound, and then it is only the VM's", async (subject, adoption) => {
    const { provider } = subject;
    const [vm, other] = await adoptable(subject, adoption);
    const before = await found(adoption, vm);
    assert.equal(before.owner, undefined);
    assert.equal((await provider.compute.observe(vm)).kind, "unbound");
    await rejects(provider.compute.start(vm), "Conflict");
    await rejects(adoption.destroy(vm), "Conflict");
    await adoption.bind(vm);
    await adoption.bind(vm);
    const seen = await provider.compute.observe(vm);
    assert.deepEqual([seen.kind, seen.kind === "present" && seen.domain], ["present", before.name]);
    assert.deepEqual((await found(adoption, vm)).owner?.uid, vm.uid);
    assert.equal((await provider.compute.observe(other)).kind, "foreign");
    await rejects(adoption.bind(other), "Conflict");
    await adoption.release(other);
    assert.equal((await provider.compute.observe(vm)).kind, "present");
    await adoption.destroy(vm);
  });

  adoptionRule(
    "an adopted domain is never defined anew nor undefined, and outlives its release",
    async (subject, role) => {
      const { provider } = subject;
      const [vm] = await adoptable(subject, role);
      await role.bind(vm);
      await rejects(provider.compute.undefine(vm), "Conflict");
      const before = await found(role, vm);
      await role.release(vm);
      await role.release(vm);
      const { owner, ...after } = await found(role, vm);
      assert.equal(owner, undefined);
      assert.deepEqual([after.name, after.cpus, after.disks], [before.name, before.cpus, before.disks]);
      await role.bind(vm);
      await role.destroy(vm);
      await role.destroy(vm);
      assert.equal((await provider.compute.observe(vm)).kind, "absent");
      await rejects(role.bind(vm), "NotFound");
    },
  );

  adoptionRule("what was made for a VM is not adopted by another", async (subject, adoption) => {
    const { provider, newVm } = subject;
    const made = newVm();
    await build(subject, made);
    const thief = { ...newVm(), adoptedUuid: made.uid };
    assert.equal((await provider.compute.observe(thief)).kind, "foreign");
    await rejects(adoption.bind(thief), "Conflict");
    await rejects(adoption.destroy(thief), "Conflict");
    await dismantle(provider, made);
  });
}

/** Two VMs that both want one domain that somebody else made. */
async function adoptable(
  { newVm, makeForeign }: ConformanceSubject,
  role: AdoptionRole,
): Promise<[VmIdentity, VmIdentity]> {
  const named = newVm();
  await makeForeign(named);
  const domain = (await role.list()).find(({ name }) => name === domainNameOf(named));
  assert.ok(domain !== undefined);
  return [
    { ...newVm(), adoptedUuid: domain.uid },
    { ...newVm(), adoptedUuid: domain.uid },
  ];
}

async function found(role: AdoptionRole, { adoptedUuid }: VmIdentity) {
  const domain = (await role.list()).find(({ uid }) => uid === adoptedUuid);
  assert.ok(domain !== undefined);
  return domain;
}
