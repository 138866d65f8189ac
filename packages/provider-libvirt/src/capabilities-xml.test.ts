import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDomainCapabilities, parseHostCapabilities } from "./capabilities-xml.ts";

const host = (domains: string): string => `<capabilities>
  <host><uuid>u-1</uuid><cpu><arch>x86_64</arch></cpu></host>
  <guest><arch name='i686'><domain type='kvm'/></arch></guest>
  <guest><arch name='x86_64'><domain type='qemu'/>${domains}</arch></guest>
</capabilities>`;

test("KVM counts only for the host's own architecture", () => {
  assert.deepEqual(parseHostCapabilities(host("")), {
    uuid: "u-1",
    architecture: "x86_64",
    cpuModel: undefined,
    offersKvm: false,
  });
  assert.equal(parseHostCapabilities(host("<domain type='kvm'/>")).offersKvm, true);
});

test("the processor is named with its vendor", () => {
  const cpu = "<arch>x86_64</arch><model>Skylake-Server</model><vendor>Intel</vendor>";
  const xml = `<capabilities><host><uuid>u</uuid><cpu>${cpu}</cpu></host></capabilities>`;
  assert.equal(parseHostCapabilities(xml).cpuModel, "Intel Skylake-Server");
});

const domain = (parts: { os?: string; cpu?: string; tpm?: string }): string => `<domainCapabilities>
  <vcpu max='288'/>
  <os supported='yes'>${parts.os ?? ""}</os>
  <cpu><mode name='host-model' supported='yes'>${parts.cpu ?? ""}</mode></cpu>
  <devices><tpm supported='yes'><enum name='backendModel'><value>passthrough</value>${parts.tpm ?? ""}</enum></tpm></devices>
</domainCapabilities>`;
const efi = "<enum name='firmware'><value>efi</value></enum>";
const loader = (secure: string): string =>
  `<loader supported='yes'><value>/fw/CODE.fd</value><enum name='secure'><value>no</value>${secure}</enum></loader>`;

test("what a host lacks is not a capability", () => {
  assert.deepEqual(parseDomainCapabilities(domain({ cpu: "<vendor>Intel</vendor>" })), {
    maxVcpus: 288,
    uefi: false,
    secureBoot: false,
    tpm: false,
    firmwareFiles: [],
    nestedVirtualization: false,
    cpuModels: ["host-model"],
  });
});

test("secure boot needs UEFI and a secure loader; a TPM needs the emulator", () => {
  assert.equal(parseDomainCapabilities(domain({ os: efi + loader("") })).secureBoot, false);
  const all = parseDomainCapabilities(
    domain({ os: efi + loader("<value>yes</value>"), tpm: "<value>emulator</value>" }),
  );
  assert.deepEqual([all.uefi, all.secureBoot, all.tpm], [true, true, true]);
  assert.deepEqual(all.firmwareFiles, ["/fw/CODE.fd"]);
});

test("nested virtualization is read from the CPU that guests get", () => {
  const nested = (cpu: string): boolean => parseDomainCapabilities(domain({ cpu })).nestedVirtualization;
  assert.equal(nested("<vendor>Intel</vendor><feature policy='require' name='vmx'/>"), true);
  assert.equal(nested("<vendor>AMD</vendor>"), true);
  assert.equal(nested("<vendor>AMD</vendor><feature policy='disable' name='svm'/>"), false);
});
