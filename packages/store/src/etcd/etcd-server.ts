// A real etcd of the test's own: data in a temporary directory, free ports on loopback, stopped by its pid.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = process.env["VIVARIUM_ETCD"] ?? "etcd";

const running = new Set<ChildProcess>();

/** Why tests against etcd cannot run here; false when they can. */
export function whyNoEtcd(): string | false {
  return spawnSync(program, ["--version"]).status === 0 ? false : "etcd is not installed (Debian: etcd-server)";
}

export class EtcdServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly #directory: string;
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(
    directory: string,
    urls: { readonly endpoint: string; readonly peer: string },
    extra: readonly string[],
  ) {
    this.#directory = directory;
    this.endpoint = urls.endpoint;
    this.#arguments = [
      ...["--name", "test", "--data-dir", join(directory, "data"), "--log-level", "error"],
      ...["--listen-client-urls", urls.endpoint, "--advertise-client-urls", urls.endpoint],
      ...["--listen-peer-urls", urls.peer, "--initial-advertise-peer-urls", urls.peer],
      ...["--initial-cluster", `test=${urls.peer}`, "--max-request-bytes", "4194304", ...extra],
    ];
  }

  static async start(
    options: { readonly scheme?: "http" | "https"; readonly arguments?: readonly string[] } = {},
  ): Promise<EtcdServer> {
    const directory = await mkdtemp(join(tmpdir(), "vivarium-etcd-"));
    const [client, peer] = [await freePort(), await freePort()];
    const urls = { endpoint: `${options.scheme ?? "http"}://127.0.0.1:${client}`, peer: `http://127.0.0.1:${peer}` };
    const server = new EtcdServer(directory, urls, options.arguments ?? []);
    server.run();
    return server;
  }

  /** Starts it, or starts it again over the same data. Clients wait for it by themselves. */
  run(): void {
    const child = spawn(program, this.#arguments, { stdio: ["ignore", "ignore", "ignore"] });
    this.#child = child;
    // What is left running when a test ends by a bug ends with the test's process.
    if (running.size === 0) process.once("exit", killRunning);
    running.add(child);
    child.once("exit", () => {
      running.delete(child);
      if (running.size === 0) process.off("exit", killRunning);
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
