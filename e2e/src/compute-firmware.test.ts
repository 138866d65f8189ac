// VMs that boot by UEFI, with secure boot and a TPM. Real libvirtd, real firmware, real guest: it says itself what it found.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Provider, VirtualMachine, VMClass } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyImage, tinyVm } from "./support/manifests.ts";
import { secureBootFirmware, tinyUefiGuestImage } from "./support/tiny-uefi-guest.ts";
import { VivServer } from "./support/viv-server.ts";

const skip =
  whyNoHost() ??
  (existsSync(secureBootFirmware) ? undefined : `SKIPPED: no ${secureBootFirmware} (package ovmf)`) ??
  (existsSync("/usr/bin/swtpm") ? undefined : "SKIPPED: no swtpm (viv setup --tpm)") ??
  false;
const group = "infra.virtrigaud.io/v1beta1";
const name = "vvcomp-uefi";
const nvram = "/var/lib/libvirt/qemu/nvram";
const tpmState = "/var/lib/libvirt/swtpm";
/** Firmware with system management mode is slow when it is emulated. */
const slow = { timeoutMs: 240_000 };

describe("UEFI, secure boot and a TPM", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const vm = () => server.get<VirtualMachine>("vm", name);
  /** Lines of `name value` that the guest tells of itself. */
  const machine = () =>
    eventually(
      "the guest answers",
      async () => {
        const ip = (await vm())?.status?.ips?.[0];
        if (ip === undefined) return undefined;
        const answer = await fetch(`http://${ip}/cgi-bin/machine`, { signal: AbortSignal.timeout(20_000) });
        const lines = (await answer.text()).trim().split("\n");
        return new Map(lines.map((line) => [line.split(" ")[0] ?? "", line.split(" ").slice(1).join(" ")]));
      },
      slow,
    );
  const files = async (folder: string) => readdir(folder).catch(() => []);

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(await tinyImage("tiny-uefi", `file://${await tinyUefiGuestImage()}`));
    await server.apply(`
apiVersion: ${group}
kind: VMClass
metadata: {name: safe}
spec:
  cpu: 1
  memory: 512Mi
  firmware: UEFI
  diskDefaults: {size: 64Mi}
  securityProfile: {secureBoot: true, tpmEnabled: true, tpmVersion: "2.0"}
`);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("the host says that it can", async () => {
    const provider = await eventually("capabilities", async () => {
      const found = await server.get<Provider>("prov", "local");
      return found?.status?.reportedCapabilities?.supportsTPM === undefined ? undefined : found;
    });
    const { supportsUEFI, supportsSecureBoot, supportsTPM } = provider.status?.reportedCapabilities ?? {};
    assert.deepEqual([supportsUEFI, supportsSecureBoot, supportsTPM], [true, true, true]);
    await eventually("the class is valid", async () =>
      (await server.get<VMClass>("vmclass", "safe"))?.status?.validationResults?.["local"]?.valid === true
        ? true
        : undefined,
    );
  });

  test("a guest boots with secure boot and finds a TPM 2.0", async () => {
    await server.apply(
      tinyVm(name).replace("{name: tiny}, imageRef: {name: tiny}", "{name: safe}, imageRef: {name: tiny-uefi}"),
    );
    const found = await machine();
    assert.deepEqual([found.get("efi"), found.get("secureboot"), found.get("tpm")], ["yes", "1", "2"]);
    assert.deepEqual(await files(nvram), [`${name}_VARS.fd`]);
    assert.deepEqual(await files(tpmState), [(await vm())?.metadata.uid]);
  });

  test("variables and TPM are kept over a restart, and gone with the VM", async () => {
    const restarted = await server.viv(["restart", name, "--timeout", "240s"], { timeoutMs: 250_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    const found = await machine();
    assert.deepEqual([found.get("secureboot"), found.get("tpm")], ["1", "2"]);
    assert.deepEqual(await files(tpmState), [(await vm())?.metadata.uid]);
    const deleted = await server.kubectl(["delete", "vm", name, "--timeout=60s"], { timeoutMs: 70_000 });
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.deepEqual([await files(nvram), await files(tpmState)], [[], []]);
    assert.deepEqual((await inventory()).files, []);
  });
});
