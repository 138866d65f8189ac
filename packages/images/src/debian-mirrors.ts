// The Debian mirrors that this host's own apt uses. Vivarium names no mirror of its own.

import { readFile } from "node:fs/promises";
import { ImageError } from "./image-source.ts";
import { CommandError, runCommand } from "./run-command.ts";

/** One `deb` line. */
export interface DebianMirror {
  readonly uri: string;
  /** `bookworm`, `bookworm-updates`, `bookworm-security`. */
  readonly release: string;
  readonly components: readonly string[];
}

const fields = ["REPO_URI", "RELEASE", "ORIGIN", "COMPONENT"] as const;
const indexTargetsFormat = fields.map((field) => `$(${field})`).join("\t");

/** The suite's own repository first, then updates and security where the host has them. */
export async function findDebianMirrors(
  suite: string,
  { signal }: { signal: AbortSignal },
): Promise<readonly DebianMirror[]> {
  const hostSuite = await hostDebianSuite();
  const mirrors = mirrorsForSuite(parseIndexTargets(await indexTargets(signal)), { hostSuite, suite });
  if (mirrors.length === 0) {
    throw new ImageError(
      "Unsupported",
      "Cannot build a Debian image: this host's apt has no http(s) Debian mirror (with lists fetched by apt-get update), expected at least one",
    );
  }
  return mirrors;
}

/** Undefined on a host that is not Debian. */
export async function hostDebianSuite(osReleasePath = "/etc/os-release"): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(osReleasePath, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const value = (key: string): string | undefined => new RegExp(`^${key}="?([^"\\n]*)"?$`, "m").exec(text)?.[1];
  return value("ID") === "debian" ? value("VERSION_CODENAME") : undefined;
}

async function indexTargets(signal: AbortSignal): Promise<string> {
  try {
    return await runCommand("apt-get", ["indextargets", "--format", indexTargetsFormat, "Created-By: Packages"], {
      signal,
    });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new ImageError("Unsupported", `Cannot find Debian mirrors: ${cause.message}`, { cause });
  }
}

export function parseIndexTargets(text: string): readonly DebianMirror[] {
  const mirrors = new Map<string, { uri: string; release: string; components: string[] }>();
  for (const line of text.split("\n")) {
    const [uri, release, origin, component] = line.split("\t");
    if (uri === undefined || release === undefined || component === undefined) continue;
    if (origin !== "Debian" || !/^https?:/.test(uri)) continue;
    const key = `${uri} ${release}`;
    const mirror = mirrors.get(key) ?? { uri, release, components: [] };
    if (!mirror.components.includes(component)) mirror.components.push(component);
    mirrors.set(key, mirror);
  }
  return [...mirrors.values()];
}

/** The host's mirrors hold every suite: another one is asked from the same places, by its own release names. */
export function mirrorsForSuite(
  mirrors: readonly DebianMirror[],
  { hostSuite, suite }: { hostSuite: string | undefined; suite: string },
): readonly DebianMirror[] {
  const wanted: DebianMirror[] = [];
  for (const suffix of ["", "-updates", "-security"]) {
    const found = mirrors.filter((mirror) => mirror.release === `${suite}${suffix}`);
    if (found.length > 0) wanted.push(...found);
    else if (hostSuite !== undefined) {
      const sameRole = mirrors.filter((mirror) => mirror.release === `${hostSuite}${suffix}`);
      wanted.push(...sameRole.map((mirror) => ({ ...mirror, release: `${suite}${suffix}` })));
    }
  }
  return wanted.some((mirror) => mirror.release === suite) ? wanted : [];
}

export function sourcesLine(mirror: DebianMirror): string {
  return `deb ${mirror.uri} ${mirror.release} ${mirror.components.join(" ")}`;
}
