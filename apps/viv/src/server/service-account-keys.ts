// The file with the keys that sign tokens of service accounts; made at the first start.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceAccountKeys } from "@vivarium/apiserver";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

/** `path`: another file than the one in the state dir; it has to be there. */
export async function loadServiceAccountKeys(stateDir: StateDir, path?: string): Promise<ServiceAccountKeys> {
  const file = path ?? join(stateDir.pki, "service-account-keys.json");
  try {
    return await ServiceAccountKeys.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (path !== undefined || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = await ServiceAccountKeys.generate();
  writePrivateFile(file, `${text}\n`);
  return ServiceAccountKeys.parse(text);
}
