// A user whom `viv setup` has just added to the group libvirt is in it only after a new login. The tests do not wait for that.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

const group = "libvirt";
const mark = "VIVARIUM_TESTS_IN_GROUP";

/** Runs this very command in the group, and exits with its code, where that is needed and possible; else returns. */
export function enterLibvirtGroup(): void {
  if (process.getuid?.() === 0 || process.env[mark] !== undefined) return;
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${group}:`));
  const [, , id, members] = line?.split(":") ?? [];
  const isMember = members?.split(",").includes(userInfo().username) === true;
  const isInEffect = process.getgroups?.().includes(Number(id)) === true;
  if (!isMember || isInEffect) return;
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const command = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  const { status, error } = spawnSync("sg", [group, "-c", command], {
    stdio: "inherit",
    env: { ...process.env, [mark]: "1" },
  });
  if (error === undefined) process.exit(status ?? 1);
}
