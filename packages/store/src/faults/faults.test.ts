// Real processes on a real store, killed and paused at random while history is compacted under them; then the whole history is judged.
// STORE_SEED repeats the choices, though not the moments.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EtcdServer, whyNoEtcd } from "../etcd/etcd-server.ts";
import { openEtcdStore } from "../etcd/open-etcd-store.ts";
import { checkHistory } from "./check-history.ts";
import type { FaultProcessOptions } from "./fault-process.ts";
import { recorderId, type Report } from "./report.ts";
import { seededRandom } from "./seeded-random.ts";

const seed = Number(process.env["STORE_SEED"] ?? Date.now() % 1_000_000);
const faults = 8;
const living = new Set<ChildProcess>();
process.once("exit", () => living.forEach((child) => child.kill("SIGKILL")));

/** One process, over all its lives. */
class Subject {
  readonly #options: Pick<FaultProcessOptions, "store" | "name" | "clients"> & { readonly records: boolean };
  readonly #history: History;
  #child: ChildProcess | undefined;
  #lives = 0;

  constructor(
    history: History,
    options: Pick<FaultProcessOptions, "store" | "name" | "clients"> & { readonly records: boolean },
  ) {
    this.#history = history;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { records, name, ...rest } = this.#options;
    const life = ++this.#lives;
    const options: FaultProcessOptions = {
      ...rest,
      name: `${name}.${life}`,
      seed: seed + life,
      ...(records && { recordFrom: this.#history.recorded + 1 }),
    };
    const script = fileURLToPath(import.meta.resolve("./fault-process.ts"));
    const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    living.add(child);
    child.once("exit", () => living.delete(child));
    child.stdin.on("error", () => undefined);
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => this.#history.add(line, resolve));
      child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    });
  }

  async kill(): Promise<void> {
    await this.#end((child) => child.kill("SIGKILL"));
  }

  async pause(ms: number): Promise<void> {
    this.#child?.kill("SIGSTOP");
    await delay(ms);
    this.#child?.kill("SIGCONT");
  }

  compact(revision: number): void {
    this.#child?.stdin?.write(`compact ${revision}\n`);
  }

  async stop(): Promise<void> {
    const code = await this.#end((child) => child.stdin?.write("stop\n"));
    assert.equal(code, 0, "it ended by itself");
  }

  /** Until all that it told has been read. */
  async #end(how: (child: ChildProcess) => unknown): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    const closed = once(child, "close");
    how(child);
    await closed;
    return child.exitCode;
  }
}

class History {
  readonly reports: Report[] = [];
  /** Up to where the recorder has seen everything. */
  recorded: number;

  constructor(base: number) {
    this.recorded = base;
  }

  add(line: string, onReady: () => void): void {
    // The last line of a killed process may be cut.
    if (!line.endsWith("}")) return;
    const report = JSON.parse(line) as Report;
    this.reports.push(report);
    if (report.type === "ready") onReady();
    if (report.type === "seen" && report.id === recorderId)
      this.recorded = report.events.at(-1)?.revision ?? this.recorded;
  }
}

test("sqlite: killed and paused at random, it keeps every guarantee", { timeout: 110_000 }, async (t) => {
  t.diagnostic(`STORE_SEED=${seed}`);
  const random = seededRandom(seed);
  const directory = await mkdtemp(join(tmpdir(), "vivarium-faults-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const history = new History(0);
  const store = { path: join(directory, "store.db") };
  const subject = new Subject(history, { store, name: "server", clients: 6, records: true });
  await subject.start();
  for (let fault = 0; fault < faults; fault++) {
    await delay(100 + random() * 400);
    if (random() < 0.6) {
      await subject.kill();
      await subject.start();
    } else await subject.pause(100 + random() * 200);
    subject.compact(history.recorded - Math.floor(random() * 150));
  }
  await subject.stop();
  const verdict = checkHistory(history.reports, { base: 0 });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(verdict.changes > 100);
});

test(
  "etcd: its members and the servers on it killed and paused at random, it keeps every guarantee",
  { timeout: 110_000, skip: whyNoEtcd() },
  async (t) => {
    t.diagnostic(`STORE_SEED=${seed}`);
    const random = seededRandom(seed);
    await using etcd = await EtcdServer.start();
    const store = { endpoint: etcd.endpoint, prefix: "/faults" };
    const opened = await openEtcdStore({ endpoints: [etcd.endpoint], prefix: "/faults", compactionIntervalMs: 0 });
    const base = await opened.revision();
    await opened.close();
    const history = new History(base);
    const recorder = new Subject(history, { store, name: "recorder", clients: 0, records: true });
    const servers = ["one", "two"].map((name) => new Subject(history, { store, name, clients: 3, records: false }));
    const all = [recorder, ...servers];
    for (const each of all) await each.start();
    for (let fault = 0; fault < faults; fault++) {
      await delay(200 + random() * 500);
      const subject = all[Math.floor(random() * all.length)] ?? recorder;
      const which = random();
      if (which < 0.4) {
        await subject.kill();
        await subject.start();
      } else if (which < 0.6) await subject.pause(200 + random() * 300);
      else if (which < 0.8) {
        await etcd.kill();
        etcd.run();
      } else {
        etcd.signal("SIGSTOP");
        await delay(200 + random() * 300);
        etcd.signal("SIGCONT");
      }
      servers[0]?.compact(history.recorded - Math.floor(random() * 100));
    }
    await delay(1_500);
    for (const each of servers) await each.stop();
    await recorder.stop();
    const verdict = checkHistory(history.reports, { base });
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(verdict.changes > 100);
  },
);
