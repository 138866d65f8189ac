// Snapshots of one VM as a tree: each below the one that it came out of.

import type { VMSnapshot } from "@vivarium/api";
import { textTable } from "./text-table.ts";

export function snapshotTree(snapshots: readonly VMSnapshot[]): string {
  const names = new Set(snapshots.map(({ metadata }) => metadata.name));
  const parentOf = ({ status }: VMSnapshot): string | undefined => {
    const parent = status?.parent?.name;
    return parent !== undefined && names.has(parent) ? parent : undefined;
  };
  const rows: (readonly string[])[] = [];
  const add = (parent: string | undefined, depth: number): void => {
    const below = snapshots
      .filter((each) => parentOf(each) === parent)
      .toSorted((a, b) => (a.status?.creationTime ?? "9999").localeCompare(b.status?.creationTime ?? "9999"));
    for (const snapshot of below) {
      const { metadata, status = {} } = snapshot;
      const size = typeof status.size === "string" ? status.size : "";
      const mark = status.isCurrent === true ? " *" : "";
      rows.push([
        `${"  ".repeat(depth)}${metadata.name}${mark}`,
        status.phase ?? "Pending",
        status.consistency ?? "",
        size,
        status.creationTime ?? "",
      ]);
      // A name that is its own ancestor would never end.
      if (depth < snapshots.length) add(metadata.name, depth + 1);
    }
  };
  add(undefined, 0);
  return textTable(["name", "phase", "holds", "size", "taken"], rows);
}
