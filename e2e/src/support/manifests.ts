// The objects that most tests begin with: a local libvirt, a small class, and the tiny guest.

import { tinyGuestImage } from "./tiny-guest.ts";

const group = "infra.virtrigaud.io/v1beta1";

/** Provider `local`, VMClass `tiny`, VMImage `tiny`. */
export async function tinyBase({ endpoint = "qemu:///system" } = {}): Promise<string> {
  return `
apiVersion: ${group}
kind: Provider
metadata: {name: local}
spec: {type: libvirt, endpoint: "${endpoint}"}
---
apiVersion: ${group}
kind: VMClass
metadata: {name: tiny}
spec: {cpu: 1, memory: 128Mi, diskDefaults: {size: 64Mi}}
---
${await tinyImage("tiny")}`;
}

export async function tinyImage(name: string, url?: string): Promise<string> {
  return `
apiVersion: ${group}
kind: VMImage
metadata: {name: ${name}}
spec: {source: {libvirt: {url: "${url ?? `file://${await tinyGuestImage()}`}", format: qcow2}}}
`;
}

/** A VirtualMachine of the tiny guest; `spec` is YAML in flow style, added to the references. */
export function tinyVm(name: string, spec = ""): string {
  const fields = ["providerRef: {name: local}", "classRef: {name: tiny}", "imageRef: {name: tiny}"];
  if (spec !== "") fields.push(spec);
  return `
apiVersion: ${group}
kind: VirtualMachine
metadata: {name: ${name}}
spec: {${fields.join(", ")}}
`;
}
