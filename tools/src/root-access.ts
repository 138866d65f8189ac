// How tests that need root get it: as root directly, else through sudo where it asks for no password.

import { spawnSync } from "node:child_process";

/** The words before a command that runs it as root; undefined where that cannot be had. */
export function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const probe = spawnSync("sudo", ["-n", "-E", "-H", "true"], { stdio: "ignore" });
  return probe.status === 0 ? ["sudo", "-n", "-E", "-H"] : undefined;
}
