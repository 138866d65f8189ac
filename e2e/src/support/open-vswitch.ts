// An Open vSwitch of the test's own, with the datapath that needs no kernel module, where the host has the programs.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { run } from "./viv-server.ts";

const folder = "/run/openvswitch";
const socket = join(folder, "db.sock");
const schema = join(process.env["OVS_PKGDATADIR"] ?? "/usr/share/openvswitch", "vswitch.ovsschema");

/** Says why there is none here, or undefined when there is. */
export async function whyNoOpenVswitch(): Promise<string | undefined> {
  const programs = await Promise.all(
    ["ovs-vsctl", "ovsdb-server", "ovs-vswitchd"].map(async (name) => (await run(name, ["--version"])).code),
  );
  return programs.every((code) => code === 0) && existsSync(schema)
    ? undefined
    : "SKIPPED: this host has no Open vSwitch (package openvswitch-switch)";
}

export class OpenVswitch implements AsyncDisposable {
  readonly #daemons: ChildProcess[] = [];

  async start(): Promise<void> {
    await mkdir(folder, { recursive: true });
    await must("mount", "-t", "tmpfs", "tmpfs", folder);
    const database = join(folder, "conf.db");
    await must("ovsdb-tool", "create", database, schema);
    this.#run("ovsdb-server", database, `--remote=punix:${socket}`);
    await eventually("ovsdb-server answers", async () => (existsSync(socket) ? true : undefined));
    await must("ovs-vsctl", "--no-wait", "init");
    this.#run("ovs-vswitchd", `unix:${socket}`);
  }

  /** Throws unless it goes well. */
  async vsctl(...args: readonly string[]): Promise<string> {
    return must("ovs-vsctl", "--timeout=20", ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) daemon.kill();
    await run("umount", [folder]);
  }

  #run(program: string, ...args: readonly string[]): void {
    this.#daemons.push(spawn(program, args, { stdio: "ignore" }));
  }
}

async function must(program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
