// Runs one end-to-end test file in namespaces of its own (e2e/enter.sh), where it may restart and kill libvirtd as it likes.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReportLine } from "./line-reporter.ts";
import { repositoryRoot } from "./repository.ts";
import { rootPrefix } from "./root-access.ts";
import type { TestTally } from "./test-tally.ts";

const lineReporter = fileURLToPath(new URL("line-reporter.ts", import.meta.url));
const specReporter = fileURLToPath(new URL("spec-reporter.ts", import.meta.url));

export async function runInNamespaces(
  file: string,
  {
    tally,
    signal,
    write,
  }: {
    readonly tally: TestTally;
    readonly signal: AbortSignal;
    readonly write: (text: string | Uint8Array) => void;
  },
): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "vivarium-e2e-"));
  // QEMU's user reads what tests put below it for guests.
  await chmod(scratch, 0o711);
  const report = join(scratch, "report.jsonl");
  const host = join(scratch, "host");
  const command = [
    "--test",
    `--test-reporter=${specReporter}`,
    "--test-reporter-destination=stdout",
    `--test-reporter=${lineReporter}`,
    `--test-reporter-destination=${report}`,
    file,
  ];
  // Without root there is nothing to enter: the tests then say so and are skipped.
  const asRoot = rootPrefix();
  const enter = asRoot === undefined ? [] : [...asRoot, "e2e/enter.sh", host];
  const [program = process.execPath, ...args] = [...enter, process.execPath, ...command];
  const child = spawn(program, args, { cwd: repositoryRoot, stdio: ["ignore", "pipe", "pipe"] });
  for (const output of [child.stdout, child.stderr]) output.on("data", write);
  const onAbort = (): void => {
    if (asRoot === undefined) child.kill("SIGKILL");
    else runAsRoot(asRoot, ["sh", "-c", 'kill -9 "$(cat "$1/pid")"', "kill", host]);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    const [code] = (await once(child, "close").catch((error: unknown) => [String(error)])) as [unknown];
    const lines = (await readFile(report, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
    const failedBefore = tally.failed.length;
    for (const line of lines) add(file, JSON.parse(line) as ReportLine, tally);
    // Killed, or broken before or after its tests: what was reported is then not the whole truth.
    const isSilentFailure = code !== 0 && tally.failed.length === failedBefore;
    if (isSilentFailure || lines.length === 0) {
      tally.failed.push({ file, name: "the file as a whole", message: `ended with ${String(code)}` });
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Inside, all is root's.
    if (asRoot !== undefined) runAsRoot(asRoot, ["rm", "-rf", scratch]);
    await rm(scratch, { recursive: true, force: true });
  }
}

function runAsRoot(prefix: readonly string[], words: readonly string[]): void {
  const [program = "", ...args] = [...prefix, ...words];
  spawnSync(program, args, { stdio: "inherit" });
}

function add(file: string, line: ReportLine, tally: TestTally): void {
  const error = Object.assign(new Error(line.message ?? line.name), { failureType: line.failureType });
  const test = { ...line, details: { type: line.testType, error } };
  if (line.type === "pass") tally.addPass(file, test);
  else tally.addFail(file, test);
}
