// The mark inside a domain that says it is ours, and the judgement of a domain that was found.

import type { VmIdentity } from "@vivarium/provider";
import { element } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

export const markNamespace = "https://vivarium.dev/libvirt/1";
export const markPrefix = "vivarium";

/** `marked`: what bears it. */
export function markElement(vm: VmIdentity, marked: "vm" | "network" = "vm"): XmlElement {
  const { attributes } = bareMark(vm);
  return element(`${markPrefix}:${marked}`, { [`xmlns:${markPrefix}`]: markNamespace, ...attributes });
}

/** Without a namespace: virDomainSetMetadata puts it in, and fails where it is there already. */
export function bareMark({ uid, namespace, name }: VmIdentity): XmlElement {
  return element("vm", { uid, namespace, name });
}

/** The mark in a domain's `<metadata>`, whatever prefix libvirt gives its namespace. */
export function readMark(domain: XmlElement): VmIdentity | undefined {
  const metadata = domain.children.find((child) => child.name === "metadata");
  for (const candidate of metadata?.children ?? []) {
    const [prefix, local] = candidate.name.includes(":") ? candidate.name.split(":") : ["", candidate.name];
    const declared = candidate.attributes[prefix === "" ? "xmlns" : `xmlns:${prefix}`];
    const { uid, namespace, name } = candidate.attributes;
    if (local !== "vm" || declared !== markNamespace) continue;
    if (uid !== undefined && namespace !== undefined && name !== undefined) return { uid, namespace, name };
  }
  return undefined;
}

/** Why this domain, found under the VM's name or UUID, was not made for the VM; undefined when it was. */
export function foreignReason(
  vm: VmIdentity,
  found: { readonly name: string; readonly uuid: string; readonly mark: VmIdentity | undefined },
): string | undefined {
  if (vm.adoptedUuid !== undefined) return foreignToAdopter(vm, found.mark);
  if (found.uuid !== vm.uid) return `its UUID is ${found.uuid}, this VM's is ${vm.uid}`;
  if (found.mark === undefined) return `it has this VM's UUID, but nothing in its metadata says that Vivarium made it`;
  if (found.mark.uid !== vm.uid) return `its metadata names another VM (${found.mark.namespace}/${found.mark.name})`;
  return undefined;
}

/** A domain is the VM's that its mark names, whatever its UUID is. */
function foreignToAdopter(vm: VmIdentity, mark: VmIdentity | undefined): string | undefined {
  if (mark === undefined) return "it is not adopted";
  return mark.uid === vm.uid ? undefined : `it belongs to VM ${mark.namespace}/${mark.name}`;
}
