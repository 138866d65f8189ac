// The command as users run it, a process of its own, with a state dir of its own.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClientFromKubeconfig, type ApiClient } from "@vivarium/client";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const nodeOptions = ["--disable-warning=ExperimentalWarning", main];

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class VivProcess {
  readonly stateDir: string;
  readonly #arguments: readonly string[];
  readonly #prefix: readonly string[];
  readonly log: Record<string, unknown>[] = [];
  #child: ChildProcess | undefined;

  /** `prefix`: a command that runs the server, such as `unshare …`; it must become the server by exec. */
  constructor(
    options: {
      readonly arguments?: readonly string[];
      readonly stateDir?: string;
      readonly prefix?: readonly string[];
    } = {},
  ) {
    this.stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), "viv-process-"));
    this.#arguments = options.arguments ?? [];
    this.#prefix = options.prefix ?? [];
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, VIV_STATE_DIR: this.stateDir, NO_COLOR: "1", HOME: this.stateDir };
  }

  /** Runs `viv server`; returns when it serves. */
  async start(): Promise<void> {
    const [program = "", ...args] = [
      ...this.#prefix,
      process.execPath,
      ...nodeOptions,
      ...["server", "--port", "0", ...this.#arguments],
    ];
    const child = spawn(program, args, { env: this.env, stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    process.once("exit", () => child.kill("SIGKILL"));
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        lines.push(line);
        if (!line.startsWith("{")) return;
        const entry = JSON.parse(line) as Record<string, unknown>;
        this.log.push(entry);
        if (entry["msg"] === "serving") resolve();
      });
      child.once("exit", (code) => reject(new Error(`viv server ended with ${code}:\n${lines.join("\n")}`)));
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends it; gives its exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  /** The state dir as the server sees it, which may be in a mount namespace of its own. */
  get stateDirOfServer(): string {
    return `/proc/${this.pid}/root${this.stateDir}`;
  }

  async client(): Promise<ApiClient> {
    return (await createClientFromKubeconfig({ path: join(this.stateDirOfServer, "kubeconfig") })).client;
  }

  /** Any command of `viv`, to its end. */
  viv(args: readonly string[]): Promise<Result> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [...nodeOptions, ...args],
        { env: this.env, timeout: 60_000 },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
        },
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.stateDir, { recursive: true, force: true });
  }
}
