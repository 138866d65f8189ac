// What libvirt says of the host (https://libvirt.org/formatcaps.html) and of domains on it (https://libvirt.org/formatdomaincaps.html).

import { find, findAll, parseXml, textAt } from "./xml/element.ts";
import type { XmlElement } from "./xml/element.ts";

export interface HostCapabilitiesView {
  /** Stays the same over reboots; identifies the host. */
  readonly uuid: string;
  readonly architecture: string;
  /** As libvirt calls it, with its vendor; absent where libvirt does not know it. */
  readonly cpuModel: string | undefined;
  /** Whether libvirt offers domains of type kvm for the host's own architecture. */
  readonly offersKvm: boolean;
}

export function parseHostCapabilities(xml: string): HostCapabilitiesView {
  const root = parseXml(xml);
  const architecture = textAt(root, "host", "cpu", "arch") ?? "";
  const own = findAll(root, "guest", "arch").filter((arch) => arch.attributes["name"] === architecture);
  return {
    uuid: textAt(root, "host", "uuid") ?? "",
    architecture,
    cpuModel: cpuModelOf(textAt(root, "host", "cpu", "model"), textAt(root, "host", "cpu", "vendor")),
    offersKvm: own.some((arch) => findAll(arch, "domain").some((domain) => domain.attributes["type"] === "kvm")),
  };
}

function cpuModelOf(model: string | undefined, vendor: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  return vendor === undefined || vendor === "unknown" ? model : `${vendor} ${model}`;
}

export interface DomainCapabilitiesView {
  readonly maxVcpus: number;
  readonly uefi: boolean;
  readonly secureBoot: boolean;
  readonly tpm: boolean;
  /** Paths of UEFI firmware that guests can have. */
  readonly firmwareFiles: readonly string[];
  /** Whether the host CPU as guests get it can itself run guests. */
  readonly nestedVirtualization: boolean;
  /** Names that a guest's CPU can have: `host-passthrough` and `host-model` where they are offered, and usable models. */
  readonly cpuModels: readonly string[];
}

export function parseDomainCapabilities(xml: string): DomainCapabilitiesView {
  const root = parseXml(xml);
  const uefi = enumValues(find(root, "os"), "firmware").includes("efi");
  return {
    maxVcpus: Number(find(root, "vcpu")?.attributes["max"] ?? 0),
    uefi,
    secureBoot: uefi && enumValues(find(root, "os", "loader"), "secure").includes("yes"),
    tpm: enumValues(find(root, "devices", "tpm"), "backendModel").includes("emulator"),
    firmwareFiles: findAll(root, "os", "loader", "value").map((value) => value.text.trim()),
    nestedVirtualization: hasVirtualization(root),
    cpuModels: cpuModelsOf(root),
  };
}

function cpuModelsOf(root: XmlElement): readonly string[] {
  const modes = findAll(root, "cpu", "mode").filter((mode) => mode.attributes["supported"] === "yes");
  return modes.flatMap((mode) => {
    const name = mode.attributes["name"] ?? "";
    if (name !== "custom") return [name];
    return findAll(mode, "model")
      .filter((model) => model.attributes["usable"] !== "no")
      .map((model) => model.text.trim());
  });
}

function enumValues(parent: XmlElement | undefined, name: string): readonly string[] {
  if (parent === undefined || parent.attributes["supported"] === "no") return [];
  return findAll(parent, "enum")
    .filter((candidate) => candidate.attributes["name"] === name)
    .flatMap((found) => findAll(found, "value").map((value) => value.text));
}

function hasVirtualization(root: XmlElement): boolean {
  const hostModel = findAll(root, "cpu", "mode").find((mode) => mode.attributes["name"] === "host-model");
  if (hostModel === undefined) return false;
  const policyOf = (feature: string): string | undefined =>
    findAll(hostModel, "feature").find((found) => found.attributes["name"] === feature)?.attributes["policy"];
  // svm is part of libvirt's AMD models and is only listed where it is missing; vmx is always listed where it is there.
  return textAt(hostModel, "vendor") === "AMD" ? policyOf("svm") !== "disable" : policyOf("vmx") === "require";
}
