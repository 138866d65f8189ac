// The API server alone, without controllers, put together as `viv server` does it; or in its place a bare Node server with the same
// group commit, which is as fast as this one could get.

import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { coreKinds, kinds, toCustomResourceDefinition } from "@vivarium/api";
import { AuditFile, createApiServer, listenHttps, type ApiServer } from "@vivarium/apiserver";
import { openSqliteStore, type Store } from "@vivarium/store";
import { pino } from "pino";
import { serveTasks } from "./child.ts";
import { monotonicMs, usage } from "./usage.ts";

export interface ServerInput {
  readonly database: string;
  readonly key: string;
  readonly cert: string;
  readonly token: string;
  readonly kind: "api" | "bare";
}

let closing: () => Promise<void> = () => Promise.resolve();
/** When each revision was durable and visible, by the clock that all processes share. */
const commits: [revision: number, atMs: number][] = [];

export const serverTasks = {
  async start(input: ServerInput): Promise<{ readonly port: number }> {
    const store = openSqliteStore({ path: input.database });
    const server = input.kind === "api" ? await startApi(store, input) : await startBare(store, input);
    closing = async () => {
      await server.close();
      await store.close();
    };
    return { port: server.port };
  },
  usage,
  /** From now on, which is the revision that it returns. */
  async recordCommits(namespace: string): Promise<{ readonly revision: number }> {
    if (opened === undefined) throw new Error("the server is not started");
    const revision = await opened.revision();
    void record(opened, namespace, revision);
    return { revision };
  },
  commits: () => commits,
};

let opened: Store | undefined;

async function record(store: Store, namespace: string, revision: number): Promise<void> {
  const watch = store.watch(`/registry/infra.virtrigaud.io/virtualmachines/${namespace}/`, {
    fromRevision: revision + 1,
    signal: new AbortController().signal,
  });
  for await (const batch of watch) {
    const at = monotonicMs();
    for (const event of batch) commits.push([event.revision, at]);
  }
}

interface Running {
  readonly port: number;
  close(): Promise<void>;
}

async function startApi(store: Store, { database, key, cert, token }: ServerInput): Promise<Running> {
  opened = store;
  const log = pino({ level: "warn" });
  const audit = new AuditFile({ path: `${database}-audit/audit.log`, maxBytes: 100 * 1024 * 1024, keep: 1, log });
  const server = await createApiServer({
    store,
    resources: coreKinds.map((kind) => toCustomResourceDefinition(kind)),
    definitions: kinds.map((kind) => toCustomResourceDefinition(kind)),
    audit: { sink: audit },
    logger: log,
  });
  await grantAll(server, "bench");
  const authorization = `Bearer ${token}`;
  const listener = await listenHttps(server, {
    host: "127.0.0.1",
    port: 0,
    key,
    cert,
    onBusy: () => setFlagsFromString("--semi-space-growth-factor=2"),
    authenticate: ({ headers }) =>
      headers["authorization"] === authorization ? { name: "bench", groups: ["system:authenticated"] } : undefined,
  });
  return {
    port: listener.port,
    async close() {
      await server.close();
      await listener.close();
      await audit.close();
    },
  };
}

/** By a role, not by a group that no rule is asked for: authorization is part of what is measured. */
async function grantAll(server: ApiServer, user: string): Promise<void> {
  const apiGroup = "rbac.authorization.k8s.io";
  const response = await server.handle({
    method: "POST",
    path: `/apis/${apiGroup}/v1/clusterrolebindings`,
    query: new URLSearchParams(),
    headers: {},
    body: Buffer.from(
      JSON.stringify({
        apiVersion: `${apiGroup}/v1`,
        kind: "ClusterRoleBinding",
        metadata: { name: user },
        roleRef: { apiGroup, kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ apiGroup, kind: "User", name: user }],
      }),
    ),
    user: { name: "setup", groups: ["system:masters"] },
    signal: new AbortController().signal,
  });
  // 409: this store was served before.
  if (response.status !== 201 && response.status !== 409) throw new Error(`no role: ${response.status}`);
}

/** Takes a body, writes it durably under a number, answers with it; answers a GET with the last body that it took. */
async function startBare(store: Store, { key, cert }: ServerInput): Promise<Running> {
  let count = 0;
  let last: Buffer = Buffer.alloc(0);
  const server = createServer({ key, cert, minVersion: "TLSv1.3" }, (incoming, outgoing) => {
    if (incoming.method === "GET") {
      respond(outgoing, 200, last);
      return;
    }
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => void answer(Buffer.concat(chunks), outgoing));
  });
  async function answer(body: Buffer, outgoing: ServerResponse): Promise<void> {
    await store.put(`/bare/${++count}`, body, { expected: 0 });
    last = body;
    respond(outgoing, 201, body);
  }
  function respond(outgoing: ServerResponse, status: number, body: Buffer): void {
    outgoing.writeHead(status, { "content-type": "application/json", "content-length": body.length });
    outgoing.end(body);
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

serveTasks(serverTasks, () => closing());
