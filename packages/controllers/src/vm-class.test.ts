import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, Provider, VirtualMachine, VMClass } from "@vivarium/api";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { classVerdict } from "./vm-class-plan.ts";
import { createVmClassController } from "./vm-class.ts";

const key = { namespace: "default", name: "small" };

function vmClass(spec: Partial<VMClass["spec"]> = {}): VMClass {
  return { ...headOf(VMClass, "small"), spec: { cpu: 2, memory: "2Gi", ...spec } };
}

test("a class counts its machines and says which providers can run it", async (t) => {
  const { client, manager, clock, run, until } = await controllersLab(t);
  run(createVmClassController({ manager, clock }));
  await client.create(VMClass, vmClass());
  await client.create(Provider, provider("lab"));
  await client.create(VirtualMachine, machine("a", { classRef: { name: "small" } }));
  const object = await until(
    VMClass,
    "small",
    ({ status }) => status?.usedByVMs === 1 && status.supportedProviders?.includes("lab"),
  );
  assert.equal(findCondition(object.status?.conditions, "Ready")?.status, "True");
  await client.delete(VirtualMachine, { namespace: "default", name: "a" });
  await until(VMClass, "small", ({ status }) => status?.usedByVMs === 0);
});

test("a class larger than the host is refused by that provider, with both numbers", async (t) => {
  const { client, manager, clock, run, until } = await controllersLab(t);
  run(createVmClassController({ manager, clock }));
  await client.create(Provider, provider("lab"));
  await client.create(VMClass, vmClass({ cpu: 64, memory: "1Ti" }));
  const object = await until(VMClass, "small", ({ status }) => status?.validationResults?.["lab"]?.valid === false);
  assert.equal(
    object.status?.validationResults?.["lab"]?.message,
    "64 CPUs wanted, the host has 16; 1 TiB of memory wanted, the host has 32 GiB",
  );
  await client.mergePatch(VMClass, key, { spec: { cpu: 1, memory: "1Gi" } });
  await until(VMClass, "small", ({ status }) => status?.validationResults?.["lab"]?.valid === true);
});

for (const [name, spec, reason, words] of [
  ["a plain class", {}, "Valid", /can be made$/],
  ["memory that is no size worth the name", { memory: "1Mi" }, "InvalidSpec", /spec\.memory is 1 MiB/],
  ["secure boot without UEFI", { securityProfile: { secureBoot: true } }, "InvalidSpec", /needs spec\.firmware UEFI/],
  ["an IOMMU", { securityProfile: { vtdEnabled: true } }, "Unsupported", /vtdEnabled/],
  ["limits", { resourceLimits: { cpuLimit: 1000, memoryLimit: "4Gi" } }, "Valid", /can be made$/],
  ["a reservation", { resourceLimits: { cpuReservation: 1000 } }, "Valid", /not applied: .*cpuReservation/],
  [
    "less room than CPUs",
    { performanceProfile: { maxCpu: 1 } },
    "InvalidSpec",
    /maxCpu is 1, expected spec\.cpu \(2\)/,
  ],
] as const) {
  test(`${name}: ${reason}`, () => {
    const verdict = classVerdict(vmClass(spec).spec);
    assert.equal(verdict.reason, reason);
    assert.match(verdict.message, words);
  });
}
