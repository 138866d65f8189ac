// A real etcd for the tests: the machine's own, or Debian's package unpacked into the cache. It is not installed, because that would
// start a server on this machine.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "./paths.ts";

export function ensureEtcd(): void {
  const target = join(cacheDirectory, "etcd");
  if (existsSync(target) || spawnSync("etcd", ["--version"]).status === 0) return;
  if (!existsSync("/usr/bin/apt-get")) {
    // The tests that need it are skipped with their reason.
    console.log("not on this host: etcd");
    return;
  }
  console.log("fetching etcd for the tests");
  mkdirSync(cacheDirectory, { recursive: true });
  const folder = mkdtempSync(join(cacheDirectory, "etcd-"));
  try {
    run("apt-get", ["-q", "download", "etcd-server"], folder);
    const archive = readdirSync(folder).find((name) => name.endsWith(".deb")) ?? "";
    run("dpkg-deb", ["-x", archive, "."], folder);
    const program = join(folder, "usr/bin/etcd");
    chmodSync(program, 0o755);
    renameSync(program, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (status !== 0)
    throw new Error(`Cannot fetch etcd: ${program} ${args[0]} ended with ${status}\n${stdout}${stderr}`);
}
