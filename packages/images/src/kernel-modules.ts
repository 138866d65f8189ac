// Finds kernel modules with all that they depend on, in the order in which to load them.
//
// The dependencies are read from the modules themselves (`depends=` in .modinfo), so that a kernel package that was
// only unpacked, without depmod having run, does too.

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { execFile } from "node:child_process";

export interface KernelModule {
  /** With underscores, as the kernel has it: `virtio_blk`. */
  readonly name: string;
  /** Uncompressed. */
  readonly content: Uint8Array;
}

/**
 * `directory` is `…/lib/modules/<version>`. Modules that the kernel has built in are left out; one that is neither a file nor built
 * in is an error.
 */
export async function findKernelModules(directory: string, names: readonly string[]): Promise<readonly KernelModule[]> {
  const files = await moduleFiles(directory);
  const builtIn = new Set(
    (await readFile(join(directory, "modules.builtin"), "utf8")).split("\n").filter(Boolean).map(moduleName),
  );
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string, neededBy: string | undefined): Promise<void> => {
    if (ordered.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined) {
      const why = neededBy === undefined ? "" : `, which ${neededBy} depends on`;
      throw new Error(`Cannot collect kernel modules: ${name}${why} is neither in ${directory} nor built in`);
    }
    const content = await readModule(file);
    for (const dependency of dependencies(content)) await visit(dependency, name);
    ordered.set(name, { name, content });
  };
  for (const name of names) await visit(name.replaceAll("-", "_"), undefined);
  return [...ordered.values()];
}

async function moduleFiles(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(join(directory, "kernel"), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /\.ko(\.(xz|zst|gz))?$/.test(entry.name));
  return new Map(files.map((entry) => [moduleName(entry.name), join(entry.parentPath, entry.name)]));
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.(xz|zst|gz))?$/, "")
    .replaceAll("-", "_");
}

async function readModule(file: string): Promise<Uint8Array> {
  if (file.endsWith(".xz")) {
    const { stdout } = await promisify(execFile)("xz", ["-dc", file], { encoding: "buffer", maxBuffer: 1 << 28 });
    return stdout;
  }
  const bytes = await readFile(file);
  if (file.endsWith(".zst")) return promisify(zstdDecompress)(bytes);
  if (file.endsWith(".gz")) return promisify(gunzip)(bytes);
  return bytes;
}

function dependencies(content: Uint8Array): readonly string[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const key = Buffer.from("\0depends=");
  const start = bytes.indexOf(key);
  if (start === -1) return [];
  const end = bytes.indexOf(0, start + key.length);
  const text = bytes.toString("latin1", start + key.length, end);
  return text === "" ? [] : text.split(",").map((name) => name.replaceAll("-", "_"));
}
