// Files that come with the program: found upwards from this file, for the bundle and the sources lie at different depths.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CliUserError } from "../cli-error.ts";

/** examples/quickstart.yaml. */
export function quickStartFile(): string {
  return shippedFile(join("examples", "quickstart.yaml"));
}

/** A file or folder of the tree. */
export function shippedFile(path: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, path);
    if (existsSync(file)) return file;
    if (folder === dirname(folder)) {
      throw new CliUserError(`${path} is not beside this program.`, {
        fix: ["Name a manifest with -f FILE, or use the whole tree of Vivarium."],
        exit: "usage",
      });
    }
    folder = dirname(folder);
  }
}
