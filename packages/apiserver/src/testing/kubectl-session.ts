// The stock kubectl against a server of its own over TLS, on a database. Needs the binary: VIVARIUM_KUBECTL names it.

import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { openSqliteStore } from "@vivarium/store";
import { listenHttps } from "../https/listen-https.ts";
import { testCertificate, testKey } from "./test-certificate.ts";
import { openTestServer, type TestServer } from "./test-server.ts";

const binary = process.env["VIVARIUM_KUBECTL"] ?? "";

export const skipWithoutKubectl = binary === "" ? "NOT RUN: VIVARIUM_KUBECTL does not name a kubectl binary" : false;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface KubectlSession {
  readonly server: TestServer;
  /** Arguments are separated by spaces; `␣` is a space within one. */
  readonly run: (args: string, options?: RunOptions) => Promise<Outcome>;
  /** The same for what must succeed; returns what it prints. */
  readonly ok: (args: string, options?: RunOptions) => Promise<string>;
  readonly spawn: (args: string) => ChildProcessByStdio<null, Readable, null>;
  readonly close: () => Promise<void>;
}

export async function openKubectlSession(): Promise<KubectlSession> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-kubectl-"));
  const server = await openTestServer({ store: openSqliteStore({ path: join(directory, "store.db") }) });
  const listener = await listenHttps(server.server, {
    host: "127.0.0.1",
    port: 0,
    key: testKey,
    cert: testCertificate,
    authenticate: ({ headers }) =>
      headers["authorization"] === "Bearer secret" ? { name: "tester", groups: ["system:masters"] } : undefined,
  });
  const kubeconfig = join(directory, "kubeconfig");
  await writeFile(kubeconfig, JSON.stringify(kubeconfigFor(listener.port)));
  const environment = { ...process.env, KUBECONFIG: kubeconfig, HOME: directory };
  const run: KubectlSession["run"] = (args, options = {}) =>
    new Promise((resolve) => {
      const child = execFile(
        binary,
        args.split(" ").map((argument) => argument.replaceAll("␣", " ")),
        { env: { ...environment, ...options.env }, timeout: 30_000 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
      child.stdin?.end(options.input ?? "");
    });
  return {
    server,
    run,
    async ok(args, options) {
      const { code, stdout, stderr } = await run(args, options);
      assert.equal(code, 0, `kubectl ${args}: ${stderr}${stdout}`);
      return stdout;
    },
    spawn: (args) => spawn(binary, args.split(" "), { env: environment, stdio: ["ignore", "pipe", "ignore"] }),
    async close() {
      await server.server.close();
      await listener.close();
      await server.store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function kubeconfigFor(port: number): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: {
          server: `https://127.0.0.1:${port}`,
          "certificate-authority-data": Buffer.from(testCertificate).toString("base64"),
        },
      },
    ],
    users: [{ name: "tester", user: { token: "secret" } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "tester" } }],
    "current-context": "test",
  };
}
