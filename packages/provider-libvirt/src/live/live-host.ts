// A place on the real libvirtd of this machine for live tests: a pool of its own, names of its own, and a small image that boots.
// Everything is removed at the end.

import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Libvirt, parseUri } from "@vivarium/libvirt";
import { domainNameOf } from "@vivarium/provider";
import type {
  ConformanceSubject,
  ImageFile,
  Provider,
  ProviderConfig,
  VmDefinition,
  VmIdentity,
} from "@vivarium/provider";
import { pino } from "pino";
import { probeGuestSector } from "../acceleration/probe-guest.ts";
import { createLibvirtProviderFactory } from "../libvirt-provider.ts";
import { LibvirtHost } from "../libvirt-host.ts";
import type { Memo } from "../libvirt-host.ts";
import { element, renderXml } from "../xml/element.ts";
import { systemClock } from "@vivarium/provider";

const socket = "/run/libvirt/libvirt-sock";
const endpoint = "qemu:///system";

/** Why live tests cannot run here, or false. */
export function liveSkipReason(): string | false {
  try {
    accessSync(socket, constants.R_OK | constants.W_OK);
  } catch {
    return `SKIPPED: no libvirtd that this user may use at ${socket}`;
  }
  try {
    execFileSync("qemu-img", ["--version"], { stdio: "ignore" });
  } catch {
    return "SKIPPED: no qemu-img (qemu-utils) to make the test image with";
  }
  return false;
}

export interface LiveHost extends ConformanceSubject {
  readonly libvirt: Libvirt;
  readonly config: ProviderConfig;
  readonly host: LibvirtHost;
  /** A second connection, as after a restart of the server. */
  readonly reopen: () => Provider;
}

/** Answers of the KVM proof, shared by all live tests of one process. */
const memory = new Map<string, string>();
const memo: Memo = {
  get: (key) => Promise.resolve(memory.get(key)),
  set: (key, value) => Promise.resolve(void memory.set(key, value)),
};

export async function openLiveHost(part: string): Promise<LiveHost> {
  const run = `plt-${part}-${process.pid}`;
  const work = mkdtempSync(join(tmpdir(), `${run}-`));
  const config: ProviderConfig = { endpoint, credentials: {}, pool: run, timeoutMs: 10_000 };
  const log = pino({ level: process.env["LOG_LEVEL"] ?? "silent" });
  const factory = createLibvirtProviderFactory({ logger: log, memo });
  const host = new LibvirtHost({ config, log, clock: systemClock, memo });
  const libvirt = new Libvirt(parseUri(endpoint));
  const provider = factory.open(config);
  const opened = [provider];
  await Promise.all([libvirt.ready({ timeoutMs: 10_000 }), provider.describe()]);
  await host.attempt("connect", (connection) => connection.ready({ timeoutMs: 10_000 }));
  let vms = 0;
  return {
    provider,
    libvirt,
    config,
    host,
    image: makeImage(work),
    newVm: () => ({ uid: randomUUID(), namespace: "default", name: `${run}-${(vms += 1)}` }),
    // Where QEMU may read it, whoever made the folder above.
    newPool() {
      const name = `${run}-pool-${(vms += 1)}`;
      return { uid: randomUUID(), name, type: "dir", path: `/var/lib/libvirt/images/${name}` };
    },
    newNetwork() {
      const number = (vms += 1);
      const owner = { uid: randomUUID(), namespace: "default", name: `vvnet-${run}-${number}` };
      const subnet = `192.168.${210 + (number % 10)}`;
      return {
        owner,
        name: owner.name,
        mode: "isolated",
        domain: "conf.example",
        subnets: [`${subnet}.1/24`],
        settings: {
          isAutostarted: false,
          ranges: [{ start: `${subnet}.100`, end: `${subnet}.150` }],
          leases: [],
          dnsHosts: [],
        },
      };
    },
    makeForeign: (vm) => defineForeign(libvirt, vm),
    reopen() {
      const again = factory.open(config);
      opened.push(again);
      return again;
    },
    async close() {
      await removeDomains(libvirt, `${run}-`);
      for (const { name } of await libvirt.connectListAllStoragePools()) {
        if (name.startsWith(`${run}-pool-`)) await removePool(libvirt, name);
      }
      for (const network of await libvirt.connectListAllNetworks()) {
        if (!network.name.startsWith(`vvnet-${run}-`)) continue;
        if (await libvirt.networkIsActive(network)) await libvirt.networkDestroy(network);
        await libvirt.networkUndefine(network);
      }
      await removePool(libvirt, run);
      await Promise.all(opened.map((each) => each.close()));
      host.close();
      libvirt.close();
      rmSync(work, { recursive: true });
    },
  };
}

/** The guest of the KVM proof on a qcow2 disk: prints its text and halts. */
function makeImage(work: string): ImageFile {
  const raw = join(work, "guest.raw");
  const path = join(work, "guest.qcow2");
  const virtualSizeBytes = 1024 * 1024;
  const disk = Buffer.alloc(virtualSizeBytes);
  disk.set(probeGuestSector());
  writeFileSync(raw, disk);
  execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path]);
  const bytes = readFileSync(path);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { digest, format: "qcow2", path, sizeBytes: bytes.length, virtualSizeBytes };
}

/** Makes the VM up to its domain, which is off. */
export async function build(
  { provider, image }: LiveHost,
  vm: VmIdentity,
  change: Partial<VmDefinition> = {},
): Promise<void> {
  const { id } = await provider.images.import(image);
  await provider.disks.ensureRoot(vm, { name: "root", imageId: id });
  await provider.disks.writeSeed(vm, new Uint8Array(2048));
  await provider.compute.define({ ...definitionOf(vm), ...change });
}

export function definitionOf(vm: VmIdentity): VmDefinition {
  const mac = `52:54:00:${vm.uid.slice(0, 2)}:${vm.uid.slice(2, 4)}:${vm.uid.slice(4, 6)}`;
  return {
    identity: vm,
    cpus: 1,
    memoryBytes: 64 * 2 ** 20,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "root" }],
    networks: [{ name: "lan", source: { network: "default" }, model: "virtio", mac }],
  };
}

export async function defineForeign(libvirt: Libvirt, vm: VmIdentity, uuid: string = randomUUID()): Promise<void> {
  const xml = renderXml(
    element("domain", { type: "qemu" }, [
      element("name", {}, domainNameOf(vm)),
      element("uuid", {}, uuid),
      element("memory", { unit: "MiB" }, "32"),
      element("os", {}, [element("type", { arch: "x86_64", machine: "q35" }, "hvm")]),
    ]),
  );
  await libvirt.domainDefineXmlFlags(xml);
}

async function removeDomains(libvirt: Libvirt, prefix: string): Promise<void> {
  const domains = await libvirt.connectListAllDomains();
  for (const domain of domains.filter((candidate) => candidate.name.startsWith(prefix))) {
    if (domain.id >= 0) await libvirt.domainDestroyFlags(domain);
    await libvirt.domainUndefineFlags(domain, { flags: 4 | 2 });
  }
}

async function removePool(libvirt: Libvirt, name: string): Promise<void> {
  const pool = await libvirt.storagePoolLookupByName(name);
  if (!(await libvirt.storagePoolIsActive(pool))) await libvirt.storagePoolCreate(pool);
  await libvirt.storagePoolRefresh(pool);
  for (const volume of await libvirt.storagePoolListAllVolumes(pool)) await libvirt.storageVolDelete(volume);
  await libvirt.storagePoolDestroy(pool);
  await libvirt.storagePoolDelete(pool);
  await libvirt.storagePoolUndefine(pool);
}
