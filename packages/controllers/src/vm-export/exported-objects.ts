// The objects that an export makes: a VMTemplate, for as long as the disk is read, and the VMImage that it is about.

import { pathToFileURL } from "node:url";
import { apiVersionOf, VMExport, VMImage, VMTemplate } from "@vivarium/api";
import type { ExportedFile } from "@vivarium/images";

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

export function imageOf(
  { metadata, spec }: VMExport,
  { file, source }: { readonly file: ExportedFile; readonly source: VMImage | undefined },
): VMImage {
  const { namespace } = metadata;
  const { distribution } = source?.spec ?? {};
  return {
    apiVersion: apiVersionOf(VMImage),
    kind: VMImage.kind,
    metadata: { name: spec.target.imageName, ...(namespace === undefined ? {} : { namespace }) },
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
