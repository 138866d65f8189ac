// Debian packages that only the tests need: the tiny guest's busybox, emulated TPMs, and foreign programs that read what Vivarium wrote.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Each with a file that proves it is there; on other systems it may come from elsewhere. */
const packages: Readonly<Record<string, string>> = {
  "busybox-static": "/bin/busybox",
  binutils: "/usr/bin/as",
  cpio: "/usr/bin/cpio",
  genisoimage: "/usr/bin/isoinfo",
  swtpm: "/usr/bin/swtpm",
  "swtpm-tools": "/usr/bin/swtpm_setup",
};

/** Installs what is missing, on hosts that have apt. */
export function ensureTestPackages(): void {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name] ?? ""));
  if (missing.length === 0) return;
  if (!existsSync("/usr/bin/apt-get")) {
    // Only the tiny guest cannot do without its part; it says so itself. Other tests are skipped with their reason.
    console.log(`not on this host: ${missing.map((name) => packages[name]).join(" ")}`);
    return;
  }
  console.log(`installing for the tests: ${missing.join(" ")}`);
  const install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", ...missing];
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo"];
  const [program = "", ...args] = [...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", ...install];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (status !== 0)
    throw new Error(`Cannot install ${missing.join(" ")}: apt-get ended with ${status}\n${stdout}${stderr}`);
}
