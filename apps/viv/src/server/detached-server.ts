// A server in the background: started, found, waited for, stopped.

import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { createClientFromKubeconfig } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import { makeStateDir, type StateDir } from "../state-dir.ts";
import { isServerLocked, readServerInfo, type ServerInfo } from "./server-lock.ts";

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 30_000;
const pollMs = 25;

/** The server of this state dir when it answers now. */
export async function findServer(stateDir: StateDir): Promise<ServerInfo | undefined> {
  return (await isReady(stateDir)) ? readServerInfo(stateDir) : undefined;
}

/** Starts a server and returns when it answers, or does nothing when one does. */
export async function startDetached(
  stateDir: StateDir,
  options: { readonly port?: number; readonly arguments?: readonly string[]; readonly signal: AbortSignal },
): Promise<{ readonly info: ServerInfo; readonly isNew: boolean }> {
  const running = await findServer(stateDir);
  if (running !== undefined) return { info: running, isNew: false };
  makeStateDir(stateDir);
  const log = openSync(stateDir.serverLog, "a", 0o600);
  const logStart = fstatSync(log).size;
  const port = options.port === undefined ? [] : ["--port", String(options.port)];
  const args = [...process.execArgv, process.argv[1] ?? "", "server", "--state-dir", stateDir.path, ...port];
  args.push(...(options.arguments ?? []));
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "ignore", log], cwd: "/" });
  closeSync(log);
  child.unref();
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline) {
    options.signal.throwIfAborted();
    // It may lose the race against another start: then that one is waited for.
    const info = await findServer(stateDir);
    if (info !== undefined) return { info, isNew: info.pid === child.pid };
    if ((child.exitCode !== null || child.signalCode !== null) && !isServerLocked(stateDir)) {
      throw new CliUserError(`The server ended at once. Its log says:\n${logSince(stateDir, logStart)}`, {
        fix: [`The whole log is in ${stateDir.serverLog}.`],
      });
    }
    await delay(pollMs);
  }
  throw new CliUserError(`The server does not answer after ${readyTimeoutMs / 1_000} s.`, {
    fix: [`Look at ${stateDir.serverLog}.`],
    exit: "timeout",
  });
}

/** Ends the server; gives the pid it had, or undefined when none ran. */
export async function stopServer(stateDir: StateDir): Promise<number | undefined> {
  const info = readServerInfo(stateDir);
  if (info === undefined || !isServerLocked(stateDir)) return undefined;
  process.kill(info.pid, "SIGTERM");
  const deadline = Date.now() + stopTimeoutMs;
  while (isServerLocked(stateDir)) {
    if (Date.now() > deadline) {
      throw new CliUserError(`The server (pid ${info.pid}) does not end.`, {
        fix: [`kill -9 ${info.pid} is safe.`],
        exit: "timeout",
      });
    }
    await delay(pollMs);
  }
  return info.pid;
}

async function isReady(stateDir: StateDir): Promise<boolean> {
  try {
    const { client } = await createClientFromKubeconfig({ path: stateDir.kubeconfig, timeoutMs: 2_000 });
    try {
      await client.send({
        method: "GET",
        path: "/readyz",
        query: new URLSearchParams(),
        headers: {},
        body: new Uint8Array(0),
      });
      return true;
    } finally {
      await client.close();
    }
  } catch {
    return false;
  }
}

function logSince(stateDir: StateDir, start: number): string {
  return readFileSync(stateDir.serverLog).subarray(start).toString("utf8").trim().split("\n").slice(-8).join("\n");
}
