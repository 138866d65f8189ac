import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { kinds } from "./kinds.ts";
import type { KubeObject } from "./meta.ts";
import { strictValidator } from "./strict-validator.testing.ts";

const folder = join(import.meta.dirname, "testdata/accepted");
const validators = new Map(kinds.map((kind) => [kind.kind, strictValidator(kind)]));

function errorsOf(object: unknown): string[] {
  const validate = validators.get((object as KubeObject).kind);
  assert.ok(validate, `no kind ${(object as KubeObject).kind}`);
  return validate(object);
}

for (const file of readdirSync(folder)) {
  for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"))) {
    const object = document.toJS() as KubeObject;
    test(`${object.kind} "${object.metadata.name}" is accepted as it is written`, () => {
      assert.deepEqual(errorsOf(object), []);
    });
  }
}

function object(kind: string, spec: unknown): object {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind,
    metadata: { name: "x" },
    ...(spec !== undefined && { spec }),
  };
}

const refused: readonly (readonly [string, string, unknown, RegExp])[] = [
  ["a class without CPUs", "VMClass", { cpu: 0, memory: "1Gi" }, /^spec\.cpu: must be >= 1/],
  ["a class without memory", "VMClass", { cpu: 1 }, /^spec: must have required property 'memory'/],
  ["memory that is no quantity", "VMClass", { cpu: 1, memory: "lots" }, /^spec\.memory: must match pattern/],
  [
    "a TPM version that does not exist",
    "VMClass",
    { cpu: 1, memory: "1Gi", securityProfile: { tpmVersion: "3" } },
    /tpmVersion/,
  ],
  ["an unknown field", "VirtualMachine", { resourcse: {} }, /^spec\.resourcse: must NOT have additional properties/],
  [
    "an unknown field deep inside",
    "VirtualMachine",
    { disks: [{ name: "a", sizeGiB: 1, sizeGB: 1 }] },
    /^spec\.disks\.0\.sizeGB/,
  ],
  [
    "a power state that does not exist",
    "VirtualMachine",
    { powerState: "on" },
    /^spec\.powerState: must be equal to one of/,
  ],
  [
    "a time-out that is no duration",
    "VirtualMachine",
    { lifecycle: { gracefulShutdownTimeout: "soon" } },
    /gracefulShutdownTimeout/,
  ],
  ["an address that is none", "VirtualMachine", { networks: [{ name: "a", ipAddress: "192.0.2.256" }] }, /ipAddress/],
  ["a MAC address that is none", "VirtualMachine", { networks: [{ name: "a", macAddress: "52:54" }] }, /macAddress/],
  ["a machine without spec", "VirtualMachine", undefined, /must have required property 'spec'/],
  ["an endpoint of no known scheme", "Provider", { type: "libvirt", endpoint: "libvirt" }, /^spec\.endpoint/],
  ["a provider of no known type", "Provider", { type: "kvm", endpoint: "qemu:///system" }, /^spec\.type/],
  ["an image URL of no known scheme", "VMImage", { libvirt: { url: "scp://host/image" } }, /^spec\.libvirt\.url/],
  ["a volume without pool", "Volume", { size: "1Gi" }, /required property 'poolRef'/],
  ["a volume of no known format", "Volume", { poolRef: { name: "a" }, format: "vmdk" }, /^spec\.format/],
  ["a volume from a URL of no known scheme", "Volume", { poolRef: { name: "a" }, source: { url: "ftp://a/b" } }, /url/],
  ["a pool of no known type", "StoragePool", { create: { type: "floppy" } }, /^spec\.create\.type/],
  ["a pool with a relative path", "StoragePool", { create: { type: "dir", path: "disks" } }, /^spec\.create\.path/],
  ["a network of no known mode", "VirtualNetwork", { create: { mode: "token-ring" } }, /^spec\.create\.mode/],
  [
    "a bridge that no kernel takes",
    "VirtualNetwork",
    { create: { mode: "nat", bridge: "a b" } },
    /^spec\.create\.bridge/,
  ],
  ["a serial number that is too long", "VirtualMachine", { disks: [{ name: "a", serial: "x".repeat(21) }] }, /serial/],
  ["a snapshot of nothing", "VMSnapshot", { memory: true }, /required property 'vmRef'/],
  [
    "a snapshot that is kept no time",
    "VMSnapshot",
    { vmRef: { name: "a" }, retentionPolicy: { maxAge: "x" } },
    /maxAge/,
  ],
  ["an attachment without network", "VMNetworkAttachment", { qos: {} }, /required property 'network'/],
];

for (const [name, kind, spec, expected] of refused) {
  test(`${name} is refused`, () => {
    const errors = errorsOf(object(kind, spec));
    assert.equal(errors.length >= 1, true, "nothing was refused");
    assert.match(errors.join("\n"), expected);
  });
}

const endpoints = [
  "qemu:///system",
  "qemu:///session",
  "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
  "qemu+ssh://root@host.example.com/system",
  "qemu+tls://host.example.com:16514/system",
  "https://vcenter.example.com/sdk",
  "tcp://host.example.com:16509",
];
for (const endpoint of endpoints) {
  test(`a provider can be at ${endpoint}`, () => {
    assert.deepEqual(errorsOf(object("Provider", { type: "libvirt", endpoint })), []);
  });
}
