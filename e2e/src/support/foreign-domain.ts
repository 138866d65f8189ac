// A domain that somebody else made with virsh, with a disk of its own and the tiny guest on it.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyGuestImage } from "./tiny-guest.ts";
import { run } from "./viv-server.ts";

const folder = "/var/lib/libvirt/images/vvhost";

export interface ForeignDomain {
  readonly name: string;
  readonly uuid: string;
  readonly mac: string;
  readonly diskPath: string;
}

export interface ForeignDomainOptions {
  /** Inside `<metadata>`. */
  readonly metadata?: string;
  /** virsh's connection. */
  readonly uri?: string;
  /** Defined, and started; `transient` is started without being defined. */
  readonly state: "off" | "on" | "transient";
}

/** virsh against this host; fails loudly. */
export async function virsh(args: readonly string[], uri = "qemu:///system"): Promise<string> {
  const { code, stdout, stderr } = await run("virsh", ["-q", "-c", uri, ...args]);
  if (code !== 0) throw new Error(`virsh ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

export async function makeForeignDomain(
  domain: Pick<ForeignDomain, "name" | "uuid" | "mac">,
  options: ForeignDomainOptions,
): Promise<ForeignDomain> {
  await mkdir(folder, { recursive: true });
  const diskPath = join(folder, `${domain.name}.qcow2`);
  await copyFile(await tinyGuestImage(), diskPath);
  const file = join(folder, `${domain.name}.xml`);
  await writeFile(file, xmlOf({ ...domain, diskPath }, options.metadata ?? ""));
  const { uri, state } = options;
  await virsh([state === "transient" ? "create" : "define", file], uri);
  if (state === "on") await virsh(["start", domain.name], uri);
  return { ...domain, diskPath };
}

function xmlOf({ name, uuid, mac, diskPath }: ForeignDomain, metadata: string): string {
  return `<domain type='qemu'>
  <name>${name}</name><uuid>${uuid}</uuid>
  <metadata>${metadata}</metadata>
  <memory unit='MiB'>160</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${diskPath}'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='${mac}'/><source network='default'/><model type='virtio'/></interface>
    <serial type='pty'/>
    <console type='pty'/>
  </devices>
</domain>
`;
}
