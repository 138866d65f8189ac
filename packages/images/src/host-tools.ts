// Which of the host tools that a step needs are missing, and the Debian packages that bring them.

import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { ImageError } from "./image-source.ts";
import { toolPath } from "./run-command.ts";

export interface HostTool {
  /** A command's name, or a file's absolute path. */
  readonly name: string;
  readonly debianPackage: string;
}

export async function missingTools(tools: readonly HostTool[]): Promise<readonly HostTool[]> {
  const found = await Promise.all(tools.map((tool) => isPresent(tool.name)));
  return tools.filter((_, index) => found[index] !== true);
}

/** Throws Unsupported, naming what to install. */
export async function requireTools(action: string, tools: readonly HostTool[]): Promise<void> {
  const missing = await missingTools(tools);
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.name).join(", ");
  const packages = [...new Set(missing.map((tool) => tool.debianPackage))].join(" ");
  throw new ImageError(
    "Unsupported",
    `Cannot ${action}: ${names} not found on this host; install with: apt-get install ${packages}`,
  );
}

async function isPresent(name: string): Promise<boolean> {
  const candidates = name.startsWith("/") ? [name] : toolPath.split(delimiter).map((folder) => join(folder, name));
  for (const candidate of candidates) {
    try {
      await access(candidate, name.startsWith("/") ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      // Not here: look in the next folder.
    }
  }
  return false;
}
