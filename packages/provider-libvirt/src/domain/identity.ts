// The mark inside a domain that says it is ours, and the judgement of a domain that was found.

import type { VmIdentity } from "@vivarium/provider";
import { element } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

const markNamespace = "https://vivarium.dev/libvirt/1";

/** `marked`: what bears it. */
export function markElement(vm: VmIdentity, marked: "vm" | "network" = "vm"): XmlElement {
  return element(`vivarium:${marked}`, {
    "xmlns:vivarium": markNamespace,
    uid: vm.uid,
    namespace: vm.namespace,
    name: vm.name,
  });
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
  if (found.uuid !== vm.uid) return `its UUID is ${found.uuid}, this VM's is ${vm.uid}`;
  if (found.mark === undefined) return `it has this VM's UUID, but nothing in its metadata says that Vivarium made it`;
  if (found.mark.uid !== vm.uid) return `its metadata names another VM (${found.mark.namespace}/${found.mark.name})`;
  return undefined;
}
