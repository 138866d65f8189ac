import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Lease, StatusError } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { runLeaderElection, StillLeadingError } from "./leader-election.ts";
import { ManualClock } from "./manual-clock.ts";
import { startApi } from "./testing/start-api.ts";

const key = { namespace: "vivarium-system", name: "controllers" };

/** Candidates for one lease, on one clock; each can be cut off from the API. */
async function electorate(t: TestContext) {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock();
  const leading = new Set<string>();
  const log: string[] = [];

  function candidate(identity: string, options: { readonly lingers?: boolean } = {}) {
    const end = new AbortController();
    const link = { isUp: true };
    const done = runLeaderElection(
      { client: throughLink(client, link), lease: key, identity, logger, clock, random: () => 0 },
      async (signal) => {
        leading.add(identity);
        log.push(`${identity} leads`);
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        if (options.lingers === true) await new Promise(() => undefined);
        leading.delete(identity);
        log.push(`${identity} ended`);
      },
      { signal: end.signal },
    );
    done.catch(() => undefined);
    t.after(() => end.abort());
    return { link, done, stop: () => end.abort() };
  }

  return { client, clock, leading, log, candidate };
}

function throughLink(client: Client, link: { isUp: boolean }): Client {
  const check = (): void => {
    if (!link.isUp) throw new StatusError("ServiceUnavailable", "cut off");
  };
  return {
    ...client,
    get: async (...args) => (check(), client.get(...args)),
    create: async (...args) => (check(), client.create(...args)),
    update: async (...args) => (check(), client.update(...args)),
  };
}

test("one of several leads, and its lease says so in Kubernetes' words", async (t) => {
  const { client, clock, leading, candidate } = await electorate(t);
  candidate("a");
  await clock.advance(100);
  candidate("b");
  await clock.advance(60_000);
  assert.deepEqual([...leading], ["a"]);
  const { spec } = await client.get(Lease, key);
  assert.equal(spec?.holderIdentity, "a");
  assert.equal(spec?.leaseDurationSeconds, 15);
  assert.equal(spec?.leaseTransitions, 0);
  assert.match(spec?.renewTime ?? "", /^2026-01-01T00:0[01]:\d\d\.\d{6}Z$/);
  assert.equal(Date.parse(spec?.acquireTime ?? ""), Date.UTC(2026, 0, 1));
});

test("a leader that ends gives the lease back, and another takes it at its next try", async (t) => {
  const { client, clock, leading, log, candidate } = await electorate(t);
  const a = candidate("a");
  await clock.advance(100);
  candidate("b");
  await clock.advance(5_000);
  a.stop();
  await clock.advance(0);
  await a.done;
  assert.equal((await client.get(Lease, key)).spec?.holderIdentity, "");
  await clock.advance(2_500);
  assert.deepEqual([...leading], ["b"]);
  assert.deepEqual(log, ["a leads", "a ended", "b leads"]);
  assert.equal((await client.get(Lease, key)).spec?.leaseTransitions, 1);
});

test("a leader that is cut off stops leading before another begins", async (t) => {
  const { clock, leading, log, candidate } = await electorate(t);
  const a = candidate("a");
  await clock.advance(100);
  candidate("b");
  await clock.advance(5_000);
  a.link.isUp = false;
  for (let passed = 0; passed < 20_000; passed += 250) {
    await clock.advance(250);
    assert.ok(leading.size <= 1, `both lead: ${log.join(", ")}`);
  }
  assert.deepEqual(log, ["a leads", "a ended", "b leads"]);
  a.link.isUp = true;
  await clock.advance(30_000);
  assert.deepEqual([...leading], ["b"], "who comes back does not take over");
});

test("a lease that nobody renews is waited for as long as it was seen here, whatever its times say", async (t) => {
  const { client, clock, leading, candidate } = await electorate(t);
  await client.create(Lease, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: key,
    spec: { holderIdentity: "dead", leaseDurationSeconds: 15, renewTime: "2020-01-01T00:00:00.000000Z" },
  });
  candidate("a");
  await clock.advance(14_000);
  assert.deepEqual([...leading], []);
  await clock.advance(4_000);
  assert.deepEqual([...leading], ["a"]);
});

test("a leader whose lease was taken by another ends at once", async (t) => {
  const { client, clock, leading, candidate } = await electorate(t);
  candidate("a");
  await clock.advance(3_000);
  const lease = await client.get(Lease, key);
  await client.update(Lease, { ...lease, spec: { ...lease.spec, holderIdentity: "b" } });
  await clock.advance(2_500);
  assert.deepEqual([...leading], []);
});

test("a leader whose work does not end before others may lead fails, so that its process can end", async (t) => {
  const { clock, candidate } = await electorate(t);
  const a = candidate("a", { lingers: true });
  await clock.advance(3_000);
  a.link.isUp = false;
  for (let passed = 0; passed < 20_000; passed += 500) await clock.advance(500);
  await assert.rejects(a.done, StillLeadingError);
});
