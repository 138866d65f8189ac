// Pools of every type as libvirt wants them: https://libvirt.org/storage.html. Pure; what a type needs is one table.

import type { PoolDefinition } from "@vivarium/provider";
import { element, renderXml } from "../xml/element.ts";

/** What has to be declared for a pool of the type; what else is declared is passed on. */
type Need = "path" | "host" | "sourcePath" | "devices" | "name";

const needsOf: Readonly<Record<string, readonly Need[]>> = {
  dir: ["path"],
  fs: ["path", "devices"],
  netfs: ["path", "host", "sourcePath"],
  logical: ["name"],
  disk: ["devices"],
  iscsi: ["host", "devices"],
  "iscsi-direct": ["host", "devices"],
  scsi: ["name"],
  mpath: [],
  rbd: ["host", "name"],
  gluster: ["host", "name"],
  zfs: ["name"],
  vstorage: ["name", "path"],
};

const fieldOf: Readonly<Record<Need, string>> = {
  path: "spec.create.path",
  host: "spec.create.source.host",
  sourcePath: "spec.create.source.path",
  devices: "spec.create.source.devices",
  name: "spec.create.source.name",
};

/** Where nodes of block devices appear, for types that have no folder of their own. */
const deviceDirectories: Readonly<Record<string, string>> = {
  disk: "/dev",
  iscsi: "/dev/disk/by-path",
  scsi: "/dev/disk/by-path",
  mpath: "/dev/mapper",
};

/** The fields that the type needs and the definition lacks. */
export function missingFieldsOf(definition: PoolDefinition): readonly string[] {
  const { path, source } = definition;
  const has: Readonly<Record<Need, boolean>> = {
    path: path !== undefined,
    host: source?.host !== undefined,
    sourcePath: source?.path !== undefined,
    devices: (source?.devices ?? []).length > 0,
    name: source?.name !== undefined,
  };
  return (needsOf[definition.type] ?? []).filter((need) => !has[need]).map((need) => fieldOf[need]);
}

export function buildPoolDefinitionXml(definition: PoolDefinition): string {
  const { name, uid, type, source = {} } = definition;
  const path = definition.path ?? (type === "logical" ? `/dev/${source.name ?? ""}` : deviceDirectories[type]);
  return renderXml(
    element("pool", { type }, [
      element("name", {}, name),
      element("uuid", {}, uid),
      type !== "dir" &&
        element("source", {}, [
          source.host !== undefined && element("host", { name: source.host, port: source.port }),
          source.path !== undefined && element("dir", { path: source.path }),
          ...(source.devices ?? []).map((device) => element("device", { path: device })),
          source.name !== undefined &&
            (type === "scsi" ? element("adapter", { name: source.name }) : element("name", {}, source.name)),
          source.format !== undefined && element("format", { type: source.format }),
        ]),
      path !== undefined && element("target", {}, [element("path", {}, path)]),
    ]),
  );
}

/** Whether what lies below the pool was made with it, so that it goes with it. */
export function isBuiltWithPool({
  type,
  hasDevices,
}: {
  readonly type: string;
  readonly hasDevices: boolean;
}): boolean {
  switch (type) {
    case "dir":
    case "fs":
    case "netfs":
      return true;
    case "logical":
      return hasDevices;
    default:
      return false;
  }
}
