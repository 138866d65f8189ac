import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmDefinition } from "@vivarium/provider";
import { refusalByFacts } from "./check.ts";
import type { HostFacts } from "./host-facts.ts";

const facts: HostFacts = {
  hostname: "lab",
  version: "libvirt 9.0.0, QEMU 7.2.22",
  architecture: "x86_64",
  cpus: 2,
  memoryBytes: 4 * 2 ** 30,
  maxVcpus: 8,
  cpuMhz: 2500,
  cpuModels: ["host-model", "qemu64"],
  acceleration: { kind: "tcg", reason: "no KVM here" },
  capabilities: {
    diskFormats: ["qcow2"],
    networkModels: ["virtio"],
    linkedClones: true,
    snapshots: true,
    memorySnapshots: true,
    imageImport: true,
    serialConsole: true,
    uefi: false,
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
  },
  details: { versions: { hypervisor: "QEMU 7.2.22" } },
};
const fits: VmDefinition = {
  identity: { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" },
  cpus: 8,
  memoryBytes: 4 * 2 ** 30,
  firmware: "BIOS",
  secureBoot: false,
  tpm: false,
  nestedVirtualization: false,
  disks: [{ name: "root" }],
  networks: [{ name: "lan", source: { network: "default" }, model: "virtio", mac: "52:54:00:aa:bb:01" }],
};
const nic = { name: "lan", source: { network: "default" }, mac: "52:54:00:aa:bb:01" };

test("what just fits is taken", () => {
  assert.equal(refusalByFacts(fits, facts), undefined);
});

const table: readonly (readonly [Partial<VmDefinition>, string, RegExp])[] = [
  [{ memoryBytes: 5 * 2 ** 30 }, "InvalidSpec", /5120 MiB.*"lab" has 4096 MiB/],
  [{ cpus: 9 }, "InvalidSpec", /9 CPUs.*at most 8/],
  [{ firmware: "UEFI" }, "Unsupported", /UEFI/],
  [{ secureBoot: true }, "InvalidSpec", /needs firmware UEFI/],
  [{ tpm: true }, "Unsupported", /swtpm/],
  [{ nestedVirtualization: true }, "Unsupported", /no KVM here/],
  [
    { cpu: { model: "host-passthrough" } },
    "Unsupported",
    /"host-passthrough" under emulation; it has host-model, qemu64/,
  ],
  [{ cpu: { topology: { sockets: 1, cores: 2, threads: 1 } } }, "InvalidSpec", /2 places, expected 8/],
  [{ limits: { cpuShares: 1 } }, "InvalidSpec", /expected 2 to 262144/],
  [{ limits: { memoryBytes: 4 * 2 ** 30 } }, "InvalidSpec", /4096 MiB, expected 4224 MiB/],
  [{ networks: [{ ...nic, model: "ne2k" }] }, "Unsupported", /"ne2k".*virtio/],
];

for (const [change, code, why] of table) {
  test(`${JSON.stringify(change)} is refused as ${code}`, () => {
    const refusal = refusalByFacts({ ...fits, ...change }, facts);
    assert.equal(refusal?.code, code);
    assert.match(refusal?.why ?? "", why);
  });
}

test("secure boot is refused where only plain UEFI is", () => {
  const uefi = { ...facts, capabilities: { ...facts.capabilities, uefi: true } };
  assert.equal(refusalByFacts({ ...fits, firmware: "UEFI" }, uefi), undefined);
  assert.equal(refusalByFacts({ ...fits, firmware: "UEFI", secureBoot: true }, uefi)?.code, "Unsupported");
});

test("another architecture is refused", () => {
  assert.equal(refusalByFacts(fits, { ...facts, architecture: "aarch64" })?.code, "Unsupported");
});
