// Volumes: https://libvirt.org/formatstorage.html#storage-volume-xml

import { bytesAt, element, parseXml, renderXml, textAt } from "./xml/element.ts";

export interface VolumeSpec {
  readonly name: string;
  readonly format: "qcow2" | "raw";
  readonly capacityBytes: number;
  /** Space to take at once; 0 makes a sparse file. */
  readonly allocationBytes: number;
  /** Makes a copy-on-write clone of this volume. */
  readonly backing?: { readonly path: string; readonly format: "qcow2" | "raw" };
}

export function buildVolumeXml(volume: VolumeSpec): string {
  return renderXml(
    element("volume", { type: "file" }, [
      element("name", {}, volume.name),
      element("capacity", { unit: "bytes" }, String(volume.capacityBytes)),
      element("allocation", { unit: "bytes" }, String(volume.allocationBytes)),
      element("target", {}, [
        element("format", { type: volume.format }),
        // qcow2 version 3; without <features><lazy_refcounts/> the flag stays off, so a crash leaves a clean image.
        volume.format === "qcow2" && element("compat", {}, "1.1"),
      ]),
      volume.backing &&
        element("backingStore", {}, [
          element("path", {}, volume.backing.path),
          // Named, not probed: a guest that writes a qcow2 header into a raw disk must not choose its own backing file.
          element("format", { type: volume.backing.format }),
        ]),
    ]),
  );
}

export interface VolumeView {
  readonly name: string;
  readonly path: string;
  readonly format: string;
  /** Size as a guest sees it. */
  readonly capacityBytes: number;
  /** Taken on the host. */
  readonly allocationBytes: number;
  /** Length of the file; undefined where libvirt does not say. */
  readonly physicalBytes: number | undefined;
  readonly backingPath: string | undefined;
  /** When its file was last written, by the clock of its host; undefined where libvirt does not say. */
  readonly changedSeconds: number | undefined;
}

export function parseVolumeXml(xml: string): VolumeView {
  const root = parseXml(xml);
  const changed = textAt(root, "target", "timestamps", "mtime");
  const format = root.children.find((child) => child.name === "target")?.children.find((c) => c.name === "format");
  return {
    name: textAt(root, "name") ?? "",
    path: textAt(root, "target", "path") ?? "",
    format: format?.attributes["type"] ?? "",
    capacityBytes: bytesAt(root, { path: ["capacity"], defaultUnit: "bytes" }),
    allocationBytes: bytesAt(root, { path: ["allocation"], defaultUnit: "bytes" }),
    physicalBytes:
      textAt(root, "physical") === undefined ? undefined : bytesAt(root, { path: ["physical"], defaultUnit: "bytes" }),
    backingPath: textAt(root, "backingStore", "path"),
    changedSeconds: changed === undefined ? undefined : Number(changed),
  };
}
