// A second host beside the one of the test: a libvirtd in network, mount and UTS namespaces of its own, reached over TCP through a pair of
// virtual interfaces. Its guests end with the namespaces that enter.sh made.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { run } from "./viv-server.ts";

const script = join(import.meta.dirname, "../../second-host.sh");
const address = "10.99.0.12";
const libvirtPort = 16509;

export class SecondHost implements AsyncDisposable {
  readonly endpoint = `qemu+tcp://${address}/system`;
  readonly #name: string;
  readonly #directory: string;
  #daemon: ChildProcess | undefined;
  /** Keeps the namespaces while the daemon is away. */
  #keeper: ChildProcess | undefined;

  /** `directory`: where it keeps its files. */
  constructor(name: string, directory: string) {
    this.#name = name;
    this.#directory = directory;
  }

  /** Starts it, or starts its daemon again; returns when that answers. */
  async start(): Promise<void> {
    if (this.#keeper?.pid === undefined) {
      this.#keeper = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
      const { pid } = this.#keeper;
      await eventually("the namespace is there", () => hasOwnNetwork(pid));
      await ip("link", "add", "vvhost0", "type", "veth", "peer", "name", "eth0", "netns", String(pid));
      await ip("addr", "add", "10.99.0.1/24", "dev", "vvhost0");
      await ip("link", "set", "vvhost0", "up");
    }
    const inside = ["-t", String(this.#keeper.pid), "--net", "unshare", "--mount", "--uts"];
    this.#daemon = spawn("nsenter", [...inside, "sh", script, this.#directory, this.#name, address], {
      stdio: "ignore",
    });
    await eventually("the second libvirtd answers", answers, { timeoutMs: 60_000 });
  }

  /** Ends its libvirtd; guests go on running. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null) return;
    const exited = once(daemon, "exit");
    daemon.kill("SIGKILL");
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#keeper?.kill();
    await run("ip", ["link", "del", "vvhost0"]);
  }
}

async function ip(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run("ip", args);
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

async function hasOwnNetwork(pid: number | undefined): Promise<true | undefined> {
  const of = async (process: string): Promise<string> => (await run("readlink", [`/proc/${process}/ns/net`])).stdout;
  return (await of(String(pid))) === (await of("self")) ? undefined : true;
}

async function answers(): Promise<true | undefined> {
  const socket = connect(libvirtPort, address);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
