// A piece of domain XML that a user adds to what is built here: the way out for settings that the API has no word for. Only what is listed
// is taken; nothing that says whose the domain is, what it is made of, or what reaches the host. Pure.

import { ProviderError } from "@vivarium/provider";
import { parseXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** Name of the setting in a VMClass's `extraConfig`. */
export const overlaySetting = "libvirt.domain-overlay";

const longestOverlay = 16_384;

/**
 * What may be added, by the element of the domain that holds it. `whole`: an element that is not built here, taken as it is. A list: elements
 * inside one that is built here, or is made for them; of those that are there already only another of the same name with other attributes.
 */
const allowed: Readonly<Record<string, "whole" | readonly string[]>> = {
  iothreads: "whole",
  memoryBacking: "whole",
  numatune: "whole",
  pm: "whole",
  sysinfo: "whole",
  clock: ["timer"],
  cpu: ["cache", "feature", "numa"],
  cputune: ["cachetune", "emulatorpin", "iothreadpin", "vcpupin", "vcpusched"],
  devices: ["input", "iommu", "sound", "vsock", "watchdog"],
  features: ["hap", "hyperv", "ioapic", "kvm", "pmu", "pvspinlock", "vmport"],
  os: ["bootmenu", "smbios"],
};

/** Throws InvalidSpec for what is no such piece of XML. */
export function parseOverlay(text: string): XmlElement {
  if (text.length > longestOverlay)
    throw refusal(`it has ${text.length} characters, expected ${longestOverlay} at most`);
  // Declarations and entities have no place in it, and would be read by libvirt's parser too.
  if (text.includes("<!") || text.includes("<?")) throw refusal("it has a declaration, a comment or an instruction");
  const overlay = read(text);
  if (overlay.name !== "domain") throw refusal(`its root is <${overlay.name}>, expected <domain>`);
  requireBare(overlay);
  for (const part of overlay.children) requireAllowed(part);
  return overlay;
}

/** The domain with the overlay in it. */
export function applyOverlay(domain: XmlElement, overlay: XmlElement): XmlElement {
  let children = [...domain.children];
  for (const part of overlay.children) {
    const before = children.find(({ name }) => name === part.name);
    if (before === undefined) children = [...children, part];
    else if (allowed[part.name] === "whole") throw refusal(`<${part.name}> is there already`);
    else children = children.map((child) => (child === before ? withParts(before, part.children) : child));
  }
  return { ...domain, children };
}

function read(text: string): XmlElement {
  try {
    return parseXml(text);
  } catch (error) {
    throw refusal("it is no XML", error);
  }
}

function requireAllowed(part: XmlElement): void {
  const inside = allowed[part.name];
  if (inside === undefined)
    throw refusal(`<${part.name}> is not to be changed; ${Object.keys(allowed).join(", ")} are`);
  if (inside === "whole") return;
  requireBare(part);
  const other = part.children.find(({ name }) => !inside.includes(name));
  if (other !== undefined) throw refusal(`<${part.name}> may get ${inside.join(", ")}, not <${other.name}>`);
}

/** Holds others, and says nothing itself. */
function requireBare({ name, attributes, text }: XmlElement): void {
  if (Object.keys(attributes).length > 0 || text.trim() !== "") {
    throw refusal(`<${name}> has attributes or text: only elements inside it may be added`);
  }
}

function withParts(before: XmlElement, parts: readonly XmlElement[]): XmlElement {
  const clash = parts.find((part) => before.children.some((child) => isSame(child, part)));
  if (clash !== undefined) throw refusal(`<${clash.name}> in <${before.name}> is there already`);
  return { ...before, children: [...before.children, ...parts] };
}

/** Elements of one name stand beside each other where something names them apart. */
function isSame(a: XmlElement, b: XmlElement): boolean {
  if (a.name !== b.name) return false;
  const [one, other] = [a, b].map(({ attributes }) => attributes["name"] ?? attributes["vcpu"] ?? attributes["type"]);
  return one === other;
}

function refusal(why: string, cause?: unknown): ProviderError {
  const message = `Cannot use extraConfig "${overlaySetting}": ${why}`;
  return new ProviderError("InvalidSpec", message, cause === undefined ? undefined : { cause });
}
