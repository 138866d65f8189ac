import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  adoptAnnotation,
  adoptFilterAnnotation,
  adoptRequestAnnotation,
  Provider,
  VirtualMachine,
} from "@vivarium/api";
import type { AdoptableDomain } from "@vivarium/provider";
import { createAdoptionController } from "./adoption.ts";
import { adoptionRequestOf, planAdoption } from "./adoption-plan.ts";
import { controllersLab, machine, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";

type Adoption = NonNullable<NonNullable<Provider["status"]>["adoption"]>;

function domain(name: string, more: Partial<AdoptableDomain> = {}): AdoptableDomain {
  return {
    uid: randomUUID(),
    name,
    isOn: true,
    power: "running",
    isPersistent: true,
    cpus: 2,
    memoryBytes: 512 * 2 ** 20,
    metadata: {},
    disks: [{ target: "vda", path: "/a.qcow2", sizeBytes: 3 * 2 ** 30 + 1, isReadOnly: false }],
    nics: [{ mac: "52:54:00:aa:bb:cc", source: { network: "default" } }],
    ...more,
  };
}

function annotated(annotations: Record<string, string>): Provider {
  const made = provider("lab");
  return { ...made, metadata: { ...made.metadata, annotations } };
}

function plan(domains: readonly AdoptableDomain[], filter: object = {}, machines: readonly VirtualMachine[] = []) {
  const object = annotated({ [adoptAnnotation]: "true", [adoptFilterAnnotation]: JSON.stringify(filter) });
  const request = adoptionRequestOf(object);
  assert.equal(request.kind, "wanted");
  const found = domains.map((each) => ({ host: "lab", domain: each }));
  return planAdoption(object, { found, filter: request.filter, machines, hasSeveralHosts: false });
}

test("a domain becomes a machine with what it has", () => {
  const old = domain("Old_Web.1");
  const [vm] = plan([old]).machines;
  assert.equal(vm?.metadata.name, "old-web-1");
  assert.deepEqual(vm.spec, {
    providerRef: { name: "lab" },
    adopt: { uuid: old.uid },
    powerState: "On",
    resources: { cpu: 2, memoryMiB: 512 },
    disks: [{ name: "vda", sizeGiB: 4 }],
    networks: [{ name: "nic0", macAddress: "52:54:00:aa:bb:cc" }],
  });
});

test("what is beyond the API's limits is left out, and the machine is made all the same", () => {
  const [vm] = plan([domain("tiny", { memoryBytes: 2 ** 20, disks: [{ target: "sda", isReadOnly: false }] })]).machines;
  assert.deepEqual([vm?.spec.resources, vm?.spec.disks], [{ cpu: 2 }, undefined]);
});

test("names that clash get digits of the UUID", () => {
  const there = machine("web", {});
  const [a, b] = [domain("web"), domain("WEB")];
  const names = plan([a, b], {}, [there]).machines.map((vm) => vm.metadata.name);
  assert.deepEqual(names.toSorted(), [a, b].map(({ uid }) => `web-${uid.slice(0, 8)}`).toSorted());
});

test("what cannot be adopted is told with its reason; what was made here is not asked about", () => {
  const mine = domain("mine");
  const owner = { uid: randomUUID(), namespace: "x", name: "y" };
  const made = { ...machine("mine", {}), metadata: { name: "mine", namespace: "default", uid: mine.uid } };
  const lost = domain("lost");
  const { candidates, machines } = plan(
    [
      mine,
      domain("passing", { isPersistent: false }),
      domain("theirs", { owner }),
      { ...lost, owner: { ...owner, uid: lost.uid } },
    ],
    {},
    [made],
  );
  assert.deepEqual(
    candidates.map(({ domain: name, verdict }) => [name, verdict]),
    [
      ["lost", "Refused"],
      ["passing", "Refused"],
      ["theirs", "Refused"],
    ],
  );
  assert.match(candidates[0]?.reason ?? "", /made by Vivarium as VM x\/y/);
  assert.match(candidates[1]?.reason ?? "", /transient/);
  assert.match(candidates[2]?.reason ?? "", /virsh metadata/);
  assert.deepEqual(machines, []);
});

test("the filter takes name, state, size, and what the metadata says", () => {
  const domains = [
    domain("prod-1", { metadata: { "urn:os": "os id=debian" } }),
    domain("prod-2", { isOn: false, power: "off", cpus: 8 }),
    domain("lab-1", { memoryBytes: 2 ** 32 }),
  ];
  const names = (filter: object) => plan(domains, filter).candidates.map((each) => each.domain);
  assert.deepEqual(names({ namePattern: "^prod-" }), ["prod-1", "prod-2"]);
  assert.deepEqual(names({ powerState: "Off" }), ["prod-2"]);
  assert.deepEqual(names({ minCPU: 3 }), ["prod-2"]);
  assert.deepEqual(names({ minMemoryMiB: 1000 }), ["lab-1"]);
  assert.deepEqual(names({ metadata: { "urn:os": "debian" } }), ["prod-1"]);
  assert.deepEqual(names({ metadata: { "urn:os": "" } }), ["prod-1"]);
  assert.deepEqual(names({ host: "elsewhere" }), []);
});

test("a filter that cannot be meant is refused with what is wrong", () => {
  for (const [filter, why] of [
    ["{", /no JSON/],
    ["[]", /expected an object/],
    ['{"namePattern":"("}', /namePattern/],
    ['{"powerState":"sleepy"}', /powerState/],
    ['{"minCpu":1}', /there is no "minCpu"/],
  ] as const) {
    const request = adoptionRequestOf(annotated({ [adoptAnnotation]: "true", [adoptFilterAnnotation]: filter }));
    assert.match(request.kind === "invalid" ? request.message : "", why);
  }
  assert.equal(adoptionRequestOf(annotated({ [adoptAnnotation]: "maybe" })).kind, "invalid");
  assert.equal(adoptionRequestOf(annotated({ [adoptAnnotation]: "false" })).kind, "none");
});

test("a dry run lists and makes nothing; then the same filter adopts", async (t) => {
  const { client, manager, clock, providers, run, hypervisor } = await controllersLab(t);
  // Two controllers write one status: who comes second tries again a moment later.
  const adoptionWhen = (what: string, isSo: (adoption: Adoption) => boolean) =>
    eventually(async () => {
      await clock.advance(1_000);
      const { items } = await client.list(Provider);
      const adoption = items[0]?.status?.adoption;
      return adoption !== undefined && isSo(adoption) && adoption;
    }, what);
  run(createAdoptionController({ manager, providers, clock }));
  const uid = randomUUID();
  hypervisor.addForeignDomain({ name: "old-1", uid });
  hypervisor.addForeignDomain({ name: "other", uid: randomUUID() });
  await client.create(Provider, {
    ...annotated({ [adoptAnnotation]: "dry-run", [adoptFilterAnnotation]: '{"namePattern":"^old"}' }),
  });
  const adoption = await adoptionWhen("the list", ({ lastDiscoveryTime }) => lastDiscoveryTime !== undefined);
  assert.deepEqual(
    adoption.candidates?.map((each) => [each.domain, each.verdict]),
    [["old-1", "Adoptable"]],
  );
  assert.equal(adoption.message, "Of 2 domains 1 were asked for: 1 would be adopted, 0 are adopted, 0 cannot be");
  assert.deepEqual((await client.list(VirtualMachine)).items, []);
  const patch = { [adoptAnnotation]: "true", [adoptRequestAnnotation]: "now" };
  await client.mergePatch(Provider, { namespace: "default", name: "lab" }, { metadata: { annotations: patch } });
  await adoptionWhen("the adoption", ({ adoptedVMs }) => adoptedVMs === 1);
  const [vm] = (await client.list(VirtualMachine)).items;
  assert.deepEqual([vm?.metadata.name, vm?.spec.adopt?.uuid, vm?.spec.powerState], ["old-1", uid, "On"]);
});
