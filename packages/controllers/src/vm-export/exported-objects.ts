// The objects that an export makes: a VMTemplate, for as long as the disk is read, and the VMImage that it is about.

import { pathToFileURL } from "node:url";
import { apiVersionOf, parseQuantity, VMExport, VMImage, VMTemplate } from "@vivarium/api";
import type { VirtualMachine, VMClass } from "@vivarium/api";
import type { ExportedFile } from "@vivarium/images";
import { declaredNics } from "../virtual-machine/resolve/macs.ts";
import type { ExportRecord } from "./vm-export-record.ts";

export function copyName({ metadata }: VMExport): string {
  return `export-${metadata.uid ?? ""}`;
}

export function copyOf(object: VMExport): VMTemplate {
  const { name, namespace, uid = "" } = object.metadata;
  return {
    apiVersion: apiVersionOf(VMTemplate),
    kind: VMTemplate.kind,
    metadata: {
      name: copyName(object),
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [{ apiVersion: apiVersionOf(VMExport), kind: VMExport.kind, name, uid, controller: true }],
    },
    spec: {
      source: { vmRef: object.spec.vmRef },
      description: `The disks of VM "${object.spec.vmRef.name}" while they are exported; it goes by itself.`,
    },
  };
}

/** What it was when its disk was copied, for the descriptor of a package. */
export function hardwareOf(
  machine: VirtualMachine,
  vmClass: VMClass | undefined,
): NonNullable<ExportRecord["hardware"]> {
  const { spec, status } = machine;
  const sized = status?.currentResources ?? spec.resources;
  const { cpu = 1, memory = "1Gi", firmware = "BIOS" } = vmClass?.spec ?? {};
  return {
    cpus: sized?.cpu ?? cpu,
    memoryMiB: sized?.memoryMiB ?? Math.ceil(parseQuantity(memory) / 2 ** 20),
    firmware: firmware === "BIOS" ? "BIOS" : "UEFI",
    nics: declaredNics(machine).map(({ name }) => name),
  };
}

export function imageOf(
  { metadata, spec }: VMExport,
  { name, file, source }: { readonly name: string; readonly file: ExportedFile; readonly source: VMImage | undefined },
): VMImage {
  const { namespace } = metadata;
  const { distribution } = source?.spec ?? {};
  return {
    apiVersion: apiVersionOf(VMImage),
    kind: VMImage.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec: {
      source: { libvirt: { url: urlOf(file), format: "qcow2", checksum: file.digest } },
      metadata: { description: `Root disk of VM "${spec.vmRef.name}", by VMExport "${metadata.name}"` },
      ...(distribution === undefined ? {} : { distribution }),
    },
  };
}

/** Whether the image is read from this file. */
export function isImageOf(image: VMImage, file: ExportedFile): boolean {
  return image.spec.source?.libvirt?.url === urlOf(file);
}

function urlOf({ path }: ExportedFile): string {
  return pathToFileURL(path).href;
}
