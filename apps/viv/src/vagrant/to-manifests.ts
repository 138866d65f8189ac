// From the machines of a Vagrantfile to manifests: VMs, the images of their boxes, the networks between them. Pure, but for the scripts that
// `readScript` gives.

import {
  apiVersionOf,
  VirtualMachine,
  VirtualNetwork,
  VMImage,
  type KindDefinition,
  type KubeObject,
} from "@vivarium/api";
import type { VagrantMachine, VagrantNetwork, VagrantProvision } from "./read-vagrantfile.ts";

export interface Manifested {
  readonly objects: readonly { readonly kind: KindDefinition; readonly object: KubeObject }[];
  readonly notes: readonly string[];
}

export interface ManifestOptions {
  /** By box, VMImages that are there already. */
  readonly images: Readonly<Record<string, string>>;
  /** Undefined where there is no such file. */
  readonly readScript: (path: string) => string | undefined;
  /** Turns an object into YAML. */
  readonly toYaml: (value: unknown) => string;
}

interface KnownImage {
  readonly pattern: RegExp;
  /** Of an object of its own: other things may go by the distribution's plain name. */
  readonly name: string;
  readonly url: string;
  readonly distribution: "debian" | "ubuntu";
  /** Built here where the URL does not answer. */
  readonly suite?: string;
}

const debianImage = (version: number, suite: string): KnownImage => ({
  pattern: new RegExp(`debian-?${version}|${suite}`),
  name: `box-debian-${version}`,
  url: `https://cloud.debian.org/images/cloud/${suite}/latest/debian-${version}-genericcloud-amd64.qcow2`,
  distribution: "debian",
  suite,
});
const ubuntuImage = (version: string, suite: string): KnownImage => ({
  pattern: new RegExp(`ubuntu-?${version.replace(".", "\\.?")}|${suite}`),
  name: `box-ubuntu-${version}`,
  url: `https://cloud-images.ubuntu.com/${suite}/current/${suite}-server-cloudimg-amd64.img`,
  distribution: "ubuntu",
});

/** The first whose pattern is in the box's name. */
const knownImages: readonly KnownImage[] = [
  debianImage(11, "bullseye"),
  debianImage(12, "bookworm"),
  debianImage(13, "trixie"),
  ubuntuImage("20.04", "focal"),
  ubuntuImage("22.04", "jammy"),
  ubuntuImage("24.04", "noble"),
];

/** What Vagrant gives a machine of which nothing is said. */
const defaults = { cpu: 1, memoryMiB: 1024 } as const;
const smallestMemoryMiB = 128;

export function vagrantManifests(machines: readonly VagrantMachine[], options: ManifestOptions): Manifested {
  const notes: string[] = [];
  const images = new Map<string, VMImage>();
  const networks = new Map<string, VirtualNetwork>();
  const vms = machines.map((machine) => {
    const image = imageOf(machine, { images, options, notes });
    const interfaces = machine.networks.map((network, index) => interfaceOf(network, { index, networks }));
    const userData = userDataOf(machine, { options, notes });
    const vm: VirtualMachine = {
      apiVersion: apiVersionOf(VirtualMachine),
      kind: VirtualMachine.kind,
      metadata: { name: machine.name },
      spec: {
        imageRef: { name: image },
        resources: {
          cpu: machine.cpus ?? defaults.cpu,
          memoryMiB: Math.max(machine.memoryMiB ?? defaults.memoryMiB, smallestMemoryMiB),
        },
        ...disksOf(machine),
        // The first interface is Vagrant's own, on the default network.
        ...(interfaces.length === 0 ? {} : { networks: [{ name: "nic0" }, ...interfaces] }),
        ...(userData === undefined ? {} : { userData: { cloudInit: { inline: userData } } }),
        powerState: machine.autostart ? "On" : "Off",
      },
    };
    return { kind: VirtualMachine, object: vm };
  });
  return {
    objects: [
      ...[...images.values()].map((object) => ({ kind: VMImage, object })),
      ...[...networks.values()].map((object) => ({ kind: VirtualNetwork, object })),
      ...vms,
    ],
    notes,
  };
}

function imageOf(
  { name, box = "" }: VagrantMachine,
  {
    images,
    options,
    notes,
  }: { readonly images: Map<string, VMImage>; readonly options: ManifestOptions; readonly notes: string[] },
): string {
  const given = options.images[box];
  if (given !== undefined) return given;
  const known = knownImages.find(({ pattern }) => pattern.test(box.toLowerCase()));
  if (known === undefined) {
    const image = box.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, "-") || "box-debian-12";
    const what = box === "" ? "no box is named" : `box "${box}" is not known`;
    notes.push(`machine ${name}: ${what}: make a VMImage "${image}", or name one with --image ${box}=NAME`);
    return image;
  }
  images.set(known.name, {
    apiVersion: apiVersionOf(VMImage),
    kind: VMImage.kind,
    metadata: { name: known.name },
    spec: {
      source: {
        libvirt: { url: known.url, format: "qcow2" },
        ...(known.suite === undefined ? {} : { debootstrap: { suite: known.suite } }),
      },
      distribution: { name: known.distribution },
    },
  });
  return known.name;
}

function interfaceOf(
  { ip, prefix }: VagrantNetwork,
  { index, networks }: { readonly index: number; readonly networks: Map<string, VirtualNetwork> },
): NonNullable<VirtualMachine["spec"]["networks"]>[number] {
  const name = `nic${index + 1}`;
  // As Vagrant does: one network per range, and one for all that have none.
  const base = networkOf(ip ?? "172.28.128.0", prefix);
  const network = `private-${base.replaceAll(".", "-")}`;
  const host = hostOf(base);
  networks.set(network, {
    apiVersion: apiVersionOf(VirtualNetwork),
    kind: VirtualNetwork.kind,
    metadata: { name: network },
    spec: {
      create: {
        mode: "isolated",
        subnets: [
          {
            address: `${host}/${prefix}`,
            ...(ip === undefined
              ? { dhcpRanges: [{ start: base.replace(/\.0$/, ".100"), end: base.replace(/\.0$/, ".199") }] }
              : {}),
          },
        ],
      },
    },
  });
  const address = ip === undefined ? {} : { ipAddress: ip, prefix };
  return { name, virtualNetworkRef: { name: network }, ...address };
}

function networkOf(ip: string, prefix: number): string {
  const number = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return dotted(number - (number % 2 ** (32 - prefix)));
}

function hostOf(base: string): string {
  return dotted(base.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) + 1);
}

function dotted(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

function disksOf({ rootGiB, disks }: VagrantMachine): Pick<VirtualMachine["spec"], "disks"> {
  const all = [...(rootGiB === undefined ? [] : [{ name: "root", sizeGiB: rootGiB }]), ...disks];
  return all.length === 0 ? {} : { disks: all };
}

/** Scripts run once, at the first boot, in their order, as they do under Vagrant. */
function userDataOf(
  { name, hostname, provisions }: VagrantMachine,
  { options, notes }: { readonly options: ManifestOptions; readonly notes: string[] },
): string | undefined {
  const files: { path: string; permissions: string; content: string }[] = [];
  const commands: string[][] = [];
  for (const provision of provisions) {
    const content = scriptOf(provision, options);
    if (content === undefined) {
      const path = provision.kind === "file" ? provision.path : "";
      notes.push(`machine ${name}: script ${path} is not there, beside the Vagrantfile`);
      continue;
    }
    const path = `/var/lib/vagrant-import/provision-${files.length + 1}.sh`;
    files.push({ path, permissions: "0755", content });
    const args = provision.kind === "file" ? provision.args.split(/\s+/).filter((each) => each !== "") : [];
    const run = content.startsWith("#!") ? [path, ...args] : ["bash", path, ...args];
    // The image's own user has the uid 1000.
    commands.push(provision.asUser ? ["sudo", "-H", "-u", "#1000", ...run] : run);
  }
  if (hostname === undefined && commands.length === 0) return undefined;
  const config = {
    ...(hostname === undefined ? {} : { hostname: hostname.split(".")[0], fqdn: hostname }),
    ...(files.length === 0 ? {} : { write_files: files, runcmd: commands }),
  };
  return `#cloud-config\n${options.toYaml(config)}`;
}

function scriptOf(provision: VagrantProvision, { readScript }: ManifestOptions): string | undefined {
  return provision.kind === "inline" ? provision.script : readScript(provision.path);
}
