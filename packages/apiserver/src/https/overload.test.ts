// Many clients over real TLS connections: turns, clients that do not read, clients that vanish.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { openMemoryStore, type Store } from "@vivarium/store";
import { Registry } from "prom-client";
import { testCertificate, testKey } from "../testing/test-certificate.ts";
import { openTestServer, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";
import { listenHttps, type HttpsListener } from "./listen-https.ts";

/** A store whose writes wait until `open` is called. */
function gated(store: Store): { store: Store; close(): void; open(): void } {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const wait = async (): Promise<void> => gate.promise;
  return {
    store: {
      revision: () => store.revision(),
      get: (key) => store.get(key),
      list: (prefix, options) => store.list(prefix, options),
      put: async (key, value, condition) => wait().then(() => store.put(key, value, condition)),
      delete: (key, condition) => store.delete(key, condition),
      watch: (prefix, options) => store.watch(prefix, options),
      compact: (revision) => store.compact(revision),
      close: () => store.close(),
    },
    close: () => {
      gate = Promise.withResolvers<void>();
    },
    open: () => gate.resolve(),
  };
}

describe("under overload", () => {
  const gate = gated(openMemoryStore());
  const metrics = new Registry();
  let server: TestServer;
  let listener: HttpsListener;
  const sockets = new Set<TLSSocket>();

  before(async () => {
    server = await openTestServer({
      store: gate.store,
      metrics,
      limits: { maxExecuting: 4, maxQueuedPerFlow: 6, maxQueued: 20, maxWaitMs: 60_000 },
    });
    const groups = { root: ["system:masters"] } as Readonly<Record<string, readonly string[]>>;
    listener = await listenHttps(server.server, {
      host: "127.0.0.1",
      port: 0,
      key: testKey,
      cert: testCertificate,
      stallMs: 300,
      authenticate: ({ headers }) => {
        const name = headers["authorization"] ?? "";
        return { name, groups: groups[name] ?? ["writers"] };
      },
    });
    await server.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "writers" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "writers" }],
      },
    });
  });

  after(async () => {
    for (const socket of sockets) socket.destroy();
    await server.server.close();
    await listener.close();
  });

  async function open(): Promise<TLSSocket> {
    const socket = connect({ host: "127.0.0.1", port: listener.port, ca: testCertificate, servername: "localhost" });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    sockets.add(socket);
    return socket;
  }

  async function ask(user: string, method: string, path: string, body = ""): Promise<{ status: number; head: string }> {
    const socket = await open();
    const length =
      body === "" ? "" : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${user}\r\n${length}\r\n${body}`);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    const head = chunk.toString();
    socket.destroy();
    return { status: Number(head.slice(9, 12)), head };
  }

  const post = (user: string, name: string) => ask(user, "POST", widgetsPath, JSON.stringify(widget(name)));

  async function watch(): Promise<TLSSocket> {
    const socket = await open();
    const path = `${widgetsPath}?watch=true&resourceVersion=${await server.store.revision()}`;
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: watcher\r\n\r\n`);
    await once(socket, "data");
    return socket;
  }

  const value = async (name: string): Promise<number> => {
    const line = (await metrics.metrics()).split("\n").find((each) => each.startsWith(name));
    return Number(line?.split(" ").at(-1) ?? Number.NaN);
  };
  const watchers = () => value('apiserver_longrunning_requests{verb="WATCH",group="example.dev"');

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; attempt < 500; attempt++) {
      if (await holds()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`not seen in five seconds: ${what}`);
  }

  test("a greedy client is refused with 429, others and the administrator get through, and no write that was taken is lost", async () => {
    gate.close();
    const greedy = Array.from({ length: 14 }, (_, index) => post("greedy", `greedy-${index}`));
    const waiting = 'apiserver_flowcontrol_current_inqueue_requests{priority_level="workload"}';
    await until("a full queue", async () => (await value(waiting)) === 6);
    const modest = post("modest", "modest");
    await until("one more in the queue", async () => (await value(waiting)) === 7);
    assert.equal((await ask("root", "GET", widgetsPath)).status, 200);
    assert.equal((await ask("nobody", "GET", "/livez")).status, 200);
    gate.open();
    assert.equal((await modest).status, 201);
    const answers = await Promise.all(greedy);
    const refused = answers.filter((answer) => answer.status === 429);
    assert.equal(refused.length, 4);
    for (const { head } of refused) assert.match(head, /retry-after: 1\r\n/i);
    const { items } = await server.store.list("/registry/example.dev/widgets/default/greedy-");
    assert.equal(items.length, 10);
    assert.equal(await value(waiting), 0);
  });

  test("watches hold no turn", async () => {
    const streams = await Promise.all(Array.from({ length: 12 }, () => watch()));
    assert.equal(await watchers(), 12);
    assert.equal((await post("modest", "beside-watches")).status, 201);
    for (const stream of streams) stream.destroy();
    await until("no watcher", async () => (await watchers()) === 0);
  });

  test("a watcher that does not read is disconnected, and holds no more than a batch until then", async () => {
    const slow = await watch();
    slow.pause();
    const metadata = { annotations: { big: "x".repeat(200_000) } };
    for (let index = 0; index < 100; index++)
      await server.call("POST", widgetsPath, { body: widget(`big-${index}`, { metadata }) });
    await until("no watcher", async () => (await watchers()) === 0);
  });

  test("clients that come, watch, write and vanish leave no watcher, no turn and no socket", async () => {
    for (let round = 0; round < 10; round++) {
      const streams = await Promise.all(Array.from({ length: 20 }, () => watch()));
      await Promise.all(
        streams.map(async (stream, index) => {
          const name = `soak-${round}-${index}`;
          const writing = post("soak", name).catch(() => undefined);
          // Some vanish before they have an answer, some after.
          if (index % 2 === 0) stream.destroy();
          await writing;
          await server.call("DELETE", `${widgetsPath}/${name}`);
          stream.destroy();
        }),
      );
    }
    await until("no watcher", async () => (await watchers()) === 0);
    await until("no request", async () => {
      const [mutating, reading] = await Promise.all([
        value('apiserver_current_inflight_requests{request_kind="mutating"}'),
        value('apiserver_current_inflight_requests{request_kind="readOnly"}'),
      ]);
      return mutating === 0 && reading <= 1;
    });
    await until("no connection", async () => (await listener.connections()) === 0);
    for (const level of ["system", "workload"])
      assert.equal(await value(`apiserver_flowcontrol_current_executing_requests{priority_level="${level}"}`), 0);
  });

  test("what happened can be read as metrics", async () => {
    const text = await metrics.metrics();
    for (const line of [
      /^apiserver_request_total\{verb="CREATE",group="example.dev",version="v1",resource="widgets",subresource="",scope="resource",code="201"\} \d+$/m,
      /^apiserver_request_duration_seconds_bucket\{le="\+Inf",verb="CREATE",.*resource="widgets".*\} \d+$/m,
      /^apiserver_watch_events_total\{group="example.dev",version="v1",resource="widgets"\} \d+$/m,
      /^apiserver_flowcontrol_rejected_requests_total\{priority_level="workload",reason="queue-full"\} 4$/m,
      /^etcd_request_duration_seconds_count\{operation="put"\} \d+$/m,
      /^apiserver_response_sizes_count\{.*resource="widgets".*\} \d+$/m,
    ])
      assert.match(text, line);
  });

  test("names that clients make up do not become metrics", async () => {
    for (const path of ["/apis/made.up/v1/things", "/made-up", `${widgetsPath}/a/made-up`])
      assert.equal((await ask("root", "GET", path)).status, 404);
    assert.doesNotMatch(await metrics.metrics(), /made.up/);
  });
});
