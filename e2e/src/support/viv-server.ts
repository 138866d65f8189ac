// A `viv server` of the test's own: started, killed and started again over one state directory, driven only from outside.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "./eventually.ts";
import { kubectlPath } from "./kubectl.ts";
import { vivPath } from "./paths.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export class VivServer implements AsyncDisposable {
  readonly stateDirectory: string;
  readonly #kubectl: string;
  readonly #arguments: readonly string[];
  readonly #listeners = new Set<(line: LogLine) => void>();
  #process: ChildProcess | undefined;
  #log: string[] = [];

  private constructor(
    stateDirectory: string,
    options: { readonly kubectl: string; readonly arguments: readonly string[] },
  ) {
    this.stateDirectory = stateDirectory;
    this.#kubectl = options.kubectl;
    this.#arguments = options.arguments;
  }

  /** A server over an empty state directory; not started. `arguments`: of `viv server`, besides. */
  static async create(options: { readonly arguments?: readonly string[] } = {}): Promise<VivServer> {
    return new VivServer(await mkdtemp("/tmp/viv-e2e-"), {
      kubectl: await kubectlPath(),
      arguments: options.arguments ?? [],
    });
  }

  /** Starts the server and returns when it is ready. */
  async start(): Promise<void> {
    const child = spawn(vivPath, ["server", "--state-dir", this.stateDirectory, "--port", "0", ...this.#arguments], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => this.#onLine(line));
    }
    await eventually(
      `the server is ready; its log ends:\n${this.#log.slice(-20).join("\n")}`,
      async () => {
        if (child.exitCode !== null)
          throw new Error(`viv server exited with ${child.exitCode}:\n${this.#log.join("\n")}`);
        return (await this.kubectl(["get", "--raw", "/readyz"])).code === 0 ? true : undefined;
      },
      { timeoutMs: 60_000 },
    );
  }

  /** Ends the server by this signal and returns when it is gone. */
  async kill(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  }

  /** Calls the listener with each line that the server logs from now on. */
  onLog(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Kills the server as soon as it logs a line with these fields; resolves when it is dead. An error where none has come within a minute. */
  killAt(fields: LogLine): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        stop();
        reject(new Error(`the server never logged ${JSON.stringify(fields)}`));
      }, 60_000);
      const stop = this.onLog((line) => {
        if (Object.entries(fields).some(([name, value]) => line[name] !== value)) return;
        stop();
        clearTimeout(late);
        this.kill("SIGKILL").then(() => resolve(), reject);
      });
    });
  }

  /** What the server logged so far. */
  get log(): readonly string[] {
    return this.#log;
  }

  get kubeconfig(): string {
    return join(this.stateDirectory, "kubeconfig");
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The stock kubectl against this server; never throws for an exit code. */
  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run(this.#kubectl, args, this.#withEnvironment(options));
  }

  /** `viv` against this server; never throws for an exit code. */
  viv(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run(vivPath, args, this.#withEnvironment(options));
  }

  /** `kubectl get -o json`, parsed; undefined when there is no such object. */
  async get<T>(kind: string, name: string, namespace = "default"): Promise<T | undefined> {
    const result = await this.kubectl(["get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found"]);
    if (result.code !== 0) throw new Error(`kubectl get ${kind} ${name}: ${result.stderr}`);
    return result.stdout.trim() === "" ? undefined : (JSON.parse(result.stdout) as T);
  }

  /** Applies a manifest and fails loudly when that is refused. */
  async apply(manifest: string): Promise<void> {
    const result = await this.kubectl(["apply", "-f", "-"], { input: manifest });
    if (result.code !== 0) throw new Error(`kubectl apply: ${result.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.stateDirectory, { recursive: true, force: true });
  }

  #onLine(line: string): void {
    // For a look after a failure.
    if (process.env["E2E_SERVER_LOG"] !== undefined) appendFileSync(process.env["E2E_SERVER_LOG"], `${line}\n`);
    this.#log.push(line);
    if (this.#log.length > 5000) this.#log = this.#log.slice(-4000);
    if (!line.startsWith("{")) return;
    const parsed = JSON.parse(line) as LogLine;
    for (const listener of this.#listeners) listener(parsed);
  }

  #withEnvironment(options: CommandOptions): CommandOptions {
    return {
      ...options,
      env: {
        KUBECONFIG: this.kubeconfig,
        VIV_STATE_DIR: this.stateDirectory,
        KUBECACHEDIR: join(this.stateDirectory, "kube-cache"),
        ...options.env,
      },
    };
  }
}

/** Runs a program to its end; the exit code is part of the answer. */
export function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      {
        env: { ...process.env, ...options.env },
        timeout: options.timeoutMs ?? 60_000,
        killSignal: "SIGKILL",
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
        // A program that could not even be started has a system error's name for a code.
        resolve({ code, stdout, stderr: typeof error?.code === "string" ? error.message : stderr });
      },
    );
    // A program may end without having read all; its exit code says whether that was right.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input);
  });
}
