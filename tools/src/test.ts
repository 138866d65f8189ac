// Runs tests: `test.ts unit|e2e|all [path…]`. The last line is always `N passed, N failed, N skipped`, summed over all; before
// it the skipped tests with their reasons, so that what was not tested is never silent.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";
import { enterLibvirtGroup } from "./enter-libvirt-group.ts";
import { findFiles, repositoryRoot } from "./repository.ts";
import { runInNamespaces } from "./run-in-namespaces.ts";
import specReporter from "./spec-reporter.ts";
import { TestTally } from "./test-tally.ts";

interface Suite {
  readonly patterns: readonly string[];
  /** Files at once. */
  readonly concurrency: number;
  /** Longest time for one file. A file that does not end by itself has leaked something. */
  readonly timeoutMs: number;
  /** Run before the first file. */
  readonly prepare?: string;
  /** Files that get a libvirt of their own, away from the machine's. */
  readonly isIsolated?: (file: string) => boolean;
}

const suites: Readonly<Record<string, Suite>> = {
  unit: {
    patterns: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "{bench,tools}/src/**/*.test.ts"],
    concurrency: 2,
    // The provider contract on a real libvirtd is one file, and starts dozens of emulated guests.
    timeoutMs: 600_000,
  },
  // Guests without KVM are slow, and each test waits for one: two files fill the time that the other waits.
  e2e: {
    patterns: ["e2e/src/**/*.test.ts"],
    concurrency: 2,
    timeoutMs: 1_800_000,
    prepare: "e2e/src/prepare.ts",
    isIsolated: (file) => !file.includes("e2e/src/host/"),
  },
};

const [which = "", ...filters] = process.argv.slice(2);
const chosen = which === "all" ? Object.values(suites) : [suites[which]].filter((suite) => suite !== undefined);
if (chosen.length === 0) {
  console.error(`Cannot run tests "${which}": expected unit, e2e or all`);
  process.exit(2);
}
enterLibvirtGroup();
const tally = new TestTally();
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

const runs: { readonly suite: Suite; readonly files: string[] }[] = [];
for (const suite of chosen) {
  const all = await findFiles(suite.patterns);
  const files = filters.length === 0 ? all : all.filter((file) => filters.some((filter) => file.includes(filter)));
  if (files.length > 0 && prepare(suite)) runs.push({ suite, files });
}
// Preparing has unpacked them; tests of single packages use them too.
for (const [variable, name] of [
  ["VIVARIUM_KUBECTL", "kubectl"],
  ["VIVARIUM_ETCD", "etcd"],
] as const) {
  const path = join(repositoryRoot, ".cache/e2e", name);
  if (existsSync(path)) process.env[variable] ??= path;
}
for (const { suite, files } of runs) await runFiles(files, suite);

const { passed, failed, skipped } = tally;
for (const { file, name, reason } of skipped) console.log(`skipped: ${file}: ${name}: ${reason}`);
for (const { file, name, message } of failed) {
  const line = message.replace(/\s+/g, " ");
  // What is long begins with what was wanted and ends with what went wrong.
  console.log(`failed: ${file}: ${name}: ${line.length > 600 ? `${line.slice(0, 200)} … ${line.slice(-400)}` : line}`);
}
if (stop.signal.aborted) console.log("interrupted: not all tests were run");
// An empty run proves nothing.
if (failed.length > 0 || passed === 0 || stop.signal.aborted) process.exitCode = 1;
console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);

/** False, and a failure, when the suite cannot be run. */
function prepare(suite: Suite): boolean {
  if (suite.prepare === undefined) return true;
  const { status } = spawnSync(process.execPath, [suite.prepare], { cwd: repositoryRoot, stdio: "inherit" });
  if (status !== 0)
    tally.failed.push({ file: suite.prepare, name: "preparation", message: "the tests that it prepares were not run" });
  return status === 0;
}

async function runFiles(files: readonly string[], suite: Suite): Promise<void> {
  const waiting = [...files];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined && !stop.signal.aborted; file = waiting.shift()) {
      await runFile(file, suite);
    }
  };
  await Promise.all(Array.from({ length: suite.concurrency }, worker));
}

/** Each file is a run of its own: node's `timeout` would not end a file whose tests are done but whose process goes on. */
async function runFile(file: string, suite: Suite): Promise<void> {
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(suite.timeoutMs)]);
  // Files that run side by side must not mix their lines.
  const output: Uint8Array[] = [];
  const write = (text: string | Uint8Array): void => void output.push(Buffer.from(text));
  const startedAt = Date.now();
  if (suite.isIsolated?.(file) === true) {
    await runInNamespaces(file, { tally, signal, write });
  } else {
    const events = run({ cwd: repositoryRoot, files: [file], signal });
    events.on("test:pass", (test) => tally.addPass(file, test));
    events.on("test:fail", (test) => tally.addFail(file, test));
    for await (const text of specReporter(events)) write(text);
  }
  console.log(
    `${file} (${Math.round((Date.now() - startedAt) / 1000)} s)\n${Buffer.concat(output).toString()}`.trimEnd(),
  );
}
