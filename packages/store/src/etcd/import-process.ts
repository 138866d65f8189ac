// The process that the import test kills: brings made-up objects, the same each time, into etcd and tells how far it is.

import { writeSync } from "node:fs";
import { importedSnapshot } from "./imported-snapshot.ts";
import { importIntoEtcd } from "./open-etcd-store.ts";

const [endpoint = "", prefix = ""] = process.argv.slice(2);
await importIntoEtcd(importedSnapshot, {
  connection: { endpoints: [endpoint], prefix },
  floor: importedSnapshot.revision,
  onProgress: (done) => writeSync(1, `${done}\n`),
});
