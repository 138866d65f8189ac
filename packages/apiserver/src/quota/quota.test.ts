import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { openMemoryStore } from "@vivarium/store";
import { openTestServer, shown, widget, widgetsPath, type Json, type TestServer } from "../testing/test-server.ts";
import type { UsageEvaluator } from "./usage-evaluator.ts";

const quotas = "/api/v1/namespaces/default/resourcequotas";
const merge = { "content-type": "application/merge-patch+json" };

/** The size of a widget is its CPUs; with an `options.class` the class, a ConfigMap, says it. */
const evaluator: UsageEvaluator = {
  group: "example.dev",
  plural: "widgets",
  names: ["requests.cpu", "requests.memory"],
  async usageOf(object, read) {
    const { size, options } = (object as unknown as { spec: { size: number; options?: { class?: string } } }).spec;
    if (options?.class === undefined) return { "requests.cpu": size, "requests.memory": `${size}Gi` };
    const found = await read({ group: "", plural: "configmaps", namespace: "default", name: options.class });
    const data = (found as { data?: Record<string, string> } | undefined)?.data ?? {};
    return data["cpu"] === undefined ? {} : { "requests.cpu": data["cpu"], "requests.memory": "0" };
  },
};

const quota = (name: string, hard: Readonly<Record<string, string>>) => ({
  apiVersion: "v1",
  kind: "ResourceQuota",
  metadata: { name },
  spec: { hard },
});

async function open(hard: Readonly<Record<string, string>>, options: object = {}): Promise<TestServer> {
  const server = await openTestServer({ usageEvaluators: [evaluator], ...options });
  const { status, body } = await server.call("POST", quotas, { body: quota("q", hard) });
  assert.equal(status, 201, shown(body["message"]));
  return server;
}

const statusOf = async ({ call }: TestServer): Promise<Json | undefined> =>
  (await call("GET", `${quotas}/q`)).body["status"];

async function untilUsed(server: TestServer, used: Readonly<Record<string, string>>): Promise<void> {
  while (JSON.stringify((await statusOf(server))?.["used"]) !== JSON.stringify(used))
    await new Promise((resolve) => setImmediate(resolve));
}

const make = ({ call }: TestServer, name: string, size = 1, query = "") =>
  call("POST", widgetsPath + query, { body: widget(name, { spec: { size } }) });

const options = { timeout: 20_000 };

test("a quota counts what is there already, and what is made and deleted", options, async () => {
  const server = await openTestServer({ usageEvaluators: [evaluator] });
  await make(server, "a", 2);
  await server.call("POST", quotas, {
    body: quota("q", { "count/widgets.example.dev": "5", cpu: "8", "requests.memory": "8Gi", configmaps: "10" }),
  });
  await untilUsed(server, { configmaps: "0", "count/widgets.example.dev": "1", cpu: "2", "requests.memory": "2Gi" });
  await make(server, "b", 3);
  assert.deepEqual(await statusOf(server), {
    hard: { configmaps: "10", "count/widgets.example.dev": "5", cpu: "8", "requests.memory": "8Gi" },
    used: { configmaps: "0", "count/widgets.example.dev": "2", cpu: "5", "requests.memory": "5Gi" },
  });
  await server.call("DELETE", `${widgetsPath}/a`);
  await untilUsed(server, { configmaps: "0", "count/widgets.example.dev": "1", cpu: "3", "requests.memory": "3Gi" });
  await server.server.close();
});

test("what would exceed a quota is refused in Kubernetes' words", options, async () => {
  const server = await open({ "count/widgets.example.dev": "2", "requests.cpu": "4", "requests.memory": "4Gi" });
  assert.equal((await make(server, "a", 3)).status, 201);
  const { status, body } = await make(server, "b", 2);
  assert.deepEqual(
    [status, body["reason"], body["message"], body["details"]],
    [
      403,
      "Forbidden",
      'widgets.example.dev "b" is forbidden: exceeded quota: q, requested: requests.cpu=2,requests.memory=2Gi, used: requests.cpu=3,requests.memory=3Gi, limited: requests.cpu=4,requests.memory=4Gi',
      { name: "b", group: "example.dev", kind: "widgets" },
    ],
  );
  assert.equal((await make(server, "b", 1)).status, 201);
  assert.match(
    shown((await make(server, "c", 1)).body["message"]),
    /exceeded quota: q, requested: count\/widgets.example.dev=1,requests.cpu=1,.* used: count\/widgets.example.dev=2,/,
  );
  const grown = await server.call("PATCH", `${widgetsPath}/b`, { body: { spec: { size: 2 } }, headers: merge });
  assert.equal(grown.status, 403, "an update may add to what is used");
  const shrunk = await server.call("PATCH", `${widgetsPath}/a`, { body: { spec: { size: 1 } }, headers: merge });
  assert.equal(shrunk.status, 200);
  await untilUsed(server, { "count/widgets.example.dev": "2", "requests.cpu": "2", "requests.memory": "2Gi" });
  await server.server.close();
});

test("a dry run is refused too, and sets nothing aside", options, async () => {
  const server = await open({ "requests.cpu": "4" });
  assert.equal((await make(server, "a", 4, "?dryRun=All")).status, 201);
  assert.equal((await make(server, "a", 5, "?dryRun=All")).status, 403);
  assert.equal((await make(server, "a", 4)).status, 201);
  await server.server.close();
});

test("a create that comes to nothing gives back what was set aside for it", options, async () => {
  const server = await open({ "requests.cpu": "9" });
  await make(server, "a", 4);
  assert.equal((await make(server, "a", 4)).status, 409);
  await untilUsed(server, { "requests.cpu": "4" });
  assert.equal((await make(server, "b", 5)).status, 201);
  await server.server.close();
});

test("an object whose size cannot be told is refused where the size is limited", options, async () => {
  const server = await open({ "requests.cpu": "4" });
  const body = widget("a", { spec: { options: { class: "small" } } });
  const refused = await server.call("POST", widgetsPath, { body });
  assert.match(shown(refused.body["message"]), /failed quota: q: must specify requests.cpu$/);
  await server.call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "small" }, data: { cpu: "500m" } },
  });
  assert.equal((await server.call("POST", widgetsPath, { body })).status, 201);
  assert.deepEqual((await statusOf(server))?.["used"], { "requests.cpu": "500m" });
  await server.server.close();
});

test("a quota with a name or an amount that is none is refused", async () => {
  const { call, server } = await openTestServer();
  const refused = await call("POST", quotas, { body: quota("q", { widgets: "1", configmaps: "-1" }) });
  assert.equal(refused.status, 422);
  const message = shown(refused.body["message"]);
  assert.match(
    message,
    /spec.hard\[widgets\]: Invalid value: "widgets": must be a standard resource type or fully qualified/,
  );
  assert.match(message, /spec.hard\[configmaps\]: Invalid value: "-1": must be greater than or equal to 0/);
  await server.close();
});

test("many creates and deletes at once, through two servers, never exceed a quota", { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}: repeat with FC_SEED=${seed}`);
  const step = fc.record({
    server: fc.constantFrom(0, 1),
    operation: fc.constantFrom("make", "make", "make", "remove", "grow"),
    name: fc.integer({ min: 0, max: 30 }),
    size: fc.integer({ min: 1, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const store = openMemoryStore();
      const first = await openTestServer({ store, usageEvaluators: [evaluator] });
      const second = await openTestServer({ store, usageEvaluators: [evaluator], runsTasks: false });
      await first.call("POST", quotas, {
        body: quota("q", { "count/widgets.example.dev": "10", "requests.cpu": "30" }),
      });
      const end = new AbortController();
      const watching = watchTotals(first, end.signal);
      const answers = await Promise.all(
        steps.map(({ server, operation, name, size }) => {
          const to = server === 0 ? first : second;
          if (operation === "make") return make(to, `w${name}`, size);
          if (operation === "remove") return to.call("DELETE", `${widgetsPath}/w${name}`);
          return to.call("PATCH", `${widgetsPath}/w${name}`, { body: { spec: { size } }, headers: merge });
        }),
      );
      assert.ok(answers.every(({ status }) => status < 500));
      const left = await first.call("GET", widgetsPath);
      const sizes = (left.body["items"] as unknown as { spec: { size: number } }[]).map((item) => item.spec.size);
      end.abort();
      const totals = await watching;
      assert.ok(
        totals.every(({ count, cpu }) => count <= 10 && cpu <= 30),
        JSON.stringify(totals),
      );
      await untilUsed(first, {
        "count/widgets.example.dev": String(sizes.length),
        "requests.cpu": String(sizes.reduce((sum, size) => sum + size, 0)),
      });
      await first.server.close();
      await second.server.close();
    }),
    { numRuns: 30, seed },
  );
});

/** What there was of widgets after each change, as a watch tells it. */
async function watchTotals({ send }: TestServer, signal: AbortSignal): Promise<{ count: number; cpu: number }[]> {
  const sizes = new Map<string, number>();
  const totals: { count: number; cpu: number }[] = [];
  const response = await send("GET", `${widgetsPath}?watch=true`, { signal });
  for await (const chunk of response.body as AsyncIterable<Uint8Array>)
    for (const line of new TextDecoder().decode(chunk).trim().split("\n")) {
      const { type, object } = JSON.parse(line) as {
        type: string;
        object: { metadata: { name: string }; spec: { size: number } };
      };
      if (type === "DELETED") sizes.delete(object.metadata.name);
      else sizes.set(object.metadata.name, object.spec.size);
      totals.push({ count: sizes.size, cpu: [...sizes.values()].reduce((sum, size) => sum + size, 0) });
    }
  return totals;
}
