// What the import tests bring to etcd: keys whose order is not that of their revisions, values of all sizes.

import type { Snapshot } from "../backup/snapshot.ts";

export const importedSnapshot: Snapshot = {
  revision: 1_000_000,
  items: Array.from({ length: 400 }, (_, index) => ({
    key: `/registry/core/configmaps/default/${(index * 7919) % 400}`,
    value: new Uint8Array(index * 13).fill(index % 256),
    createRevision: 1_000 + index,
    modRevision: 2_000 + index * 3,
    version: 1 + (index % 3),
  })),
};
