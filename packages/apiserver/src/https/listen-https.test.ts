import assert from "node:assert/strict";
import { request } from "node:https";
import { after, before, describe, test } from "node:test";
import { StatusError } from "@vivarium/api";
import { WebSocket } from "ws";
import { testCertificate, testKey } from "../testing/test-certificate.ts";
import { openTestServer, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";
import type { Subresource } from "../subresources.ts";
import { listenHttps, type HttpsListener } from "./listen-https.ts";

const token = { authorization: "Bearer secret" };

const echo: Subresource = {
  group: "example.dev",
  plural: "widgets",
  name: "echo",
  async get({ key, query }) {
    async function* chunks() {
      yield Buffer.from(`log of ${key.namespace}/${key.name} `);
      yield Buffer.from(`tail ${query.get("tail")}`);
    }
    return { status: 200, headers: { "content-type": "text/plain" }, body: chunks() };
  },
  async connect({ user, query }) {
    if (query.has("busy")) throw new StatusError("Conflict", "somebody else is here");
    return async (socket) => {
      await socket.write(Buffer.from(`hello ${user.name}\n`));
      for await (const chunk of socket.output) {
        if (Buffer.from(chunk).toString() === "end") return;
        await socket.write(chunk);
      }
    };
  },
};

describe("over HTTPS", () => {
  let server: TestServer;
  let listener: HttpsListener;

  before(async () => {
    server = await openTestServer({ subresources: [echo] });
    listener = await listenHttps(server.server, {
      host: "127.0.0.1",
      port: 0,
      key: testKey,
      cert: testCertificate,
      authenticate: ({ headers }) =>
        headers["authorization"] === token.authorization ? { name: "tester", groups: ["system:masters"] } : undefined,
    });
    await server.call("POST", widgetsPath, { body: widget("a") });
  });

  after(async () => {
    await server.server.close();
    await listener.close();
  });

  function fetch(
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { ...token, ...options.headers };
      const outgoing = request(
        { host: "127.0.0.1", port: listener.port, method, path, headers, ca: testCertificate, agent: false },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("end", () =>
            resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      outgoing.on("error", reject);
      outgoing.end(options.body);
    });
  }

  test("who cannot say who they are gets 401", async () => {
    const { status, text } = await fetch("GET", widgetsPath, { headers: { authorization: "Bearer wrong" } });
    assert.equal(status, 401);
    assert.match(text, /"reason":"Unauthorized"/);
  });

  test("requests and bodies go through", async () => {
    assert.equal((await fetch("GET", `${widgetsPath}/a`)).status, 200);
    const body = Buffer.from(JSON.stringify(widget("b")));
    assert.equal(
      (await fetch("POST", widgetsPath, { body, headers: { "content-type": "application/json" } })).status,
      201,
    );
    assert.equal((await fetch("OPTIONS", widgetsPath)).status, 405);
    assert.equal((await fetch("GET", "/nope")).status, 404);
    assert.equal((await fetch("GET", "/%zz")).status, 404);
  });

  test("a body above the limit is 413, with and without its length told", async () => {
    const body = Buffer.alloc(3 * 1024 * 1024 + 1, " ");
    assert.equal((await fetch("POST", widgetsPath, { body })).status, 413);
    const { status } = await fetch("POST", widgetsPath, { body, headers: { "transfer-encoding": "chunked" } });
    assert.equal(status, 413);
  });

  test("a subresource streams its answer; of a missing parent it is NotFound", async () => {
    assert.equal((await fetch("GET", `${widgetsPath}/a/echo?tail=5`)).text, "log of default/a tail 5");
    assert.equal((await fetch("GET", `${widgetsPath}/zzz/echo`)).status, 404);
    assert.equal((await fetch("GET", `${widgetsPath}/a/other`)).status, 404);
  });

  test("a connect subresource takes and gives bytes until it is done", async () => {
    const socket = connect("a/echo");
    const seen: string[] = [];
    socket.on("message", (data: Buffer) => {
      seen.push(data.toString());
      if (seen.length === 1) socket.send("ping");
      else socket.send("end");
    });
    const [code] = await new Promise<[number]>((resolve) => {
      socket.on("close", (code) => resolve([code]));
    });
    assert.deepEqual(seen, ["hello tester\n", "ping"]);
    assert.equal(code, 1000);
  });

  for (const [why, path, headers, status] of [
    ["without a user", "a/echo", {}, 401],
    ["to a missing parent", "zzz/echo", token, 404],
    ["to what is no subresource", "a/nope", token, 404],
    ["that the subresource does not take", "a/echo?busy", token, 409],
  ] as const)
    test(`a connection ${why} is refused with ${status}`, async () => {
      const socket = connect(path, headers);
      const refused = await new Promise<number>((resolve) => {
        socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
      });
      assert.equal(refused, status);
    });

  function connect(path: string, headers: Record<string, string> = token): WebSocket {
    const socket = new WebSocket(`wss://127.0.0.1:${listener.port}${widgetsPath}/${path}`, {
      ca: testCertificate,
      headers,
    });
    socket.on("error", () => undefined);
    return socket;
  }

  test("a watch that the client leaves is ended", async () => {
    const left = new Promise<void>((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: listener.port,
          path: `${widgetsPath}?watch=true`,
          headers: token,
          ca: testCertificate,
          agent: false,
        },
        (incoming) => {
          incoming.once("data", () => outgoing.destroy());
          incoming.on("close", resolve);
          incoming.on("error", () => undefined);
        },
      );
      outgoing.on("error", () => undefined);
      setTimeout(reject, 5000, new Error("no event")).unref();
      outgoing.end();
    });
    await left;
  });
});
