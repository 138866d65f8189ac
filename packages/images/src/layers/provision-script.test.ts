import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Recipe } from "@vivarium/api";
import { provisionState } from "./provision-log.ts";
import { provisionScript, stepsOf } from "./provision-script.ts";

const execute = promisify(execFile);

/** Runs the driver as a guest would, in a folder instead of /run and with a file for a serial line. */
async function run(recipe: Recipe): Promise<{ readonly log: string; readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "provision-"));
  const line = join(folder, "line");
  await writeFile(line, "");
  const text = provisionScript(recipe, { token: "t1", isForImage: false })
    .replaceAll("/run/vivarium-t1", folder)
    // In the foreground, for the test to wait for.
    .replace(/^setsid sh (.*) <\/dev\/null .*&$/m, "sh $1 || true");
  await writeFile(join(folder, "user-data"), text);
  // Unpacked first, so that the serial line can be put in.
  const unpack = text.replace(/^sh "\$dir\/run\.sh".*$/m, "");
  await execute("sh", ["-c", unpack]);
  const driver = (await readFile(join(folder, "run.sh"), "utf8"))
    .replace("tty=/dev/ttyS0", `tty=${line}`)
    .replace('[ -c "$tty" ] || tty=/dev/console\n', "")
    .replaceAll('>"$tty"', '>>"$tty"');
  await writeFile(join(folder, "run.sh"), driver);
  await execute("sh", [join(folder, "run.sh"), folder]).catch(() => undefined);
  const log = await readFile(line, "utf8");
  await rm(folder, { recursive: true });
  return { log, folder };
}

test("steps are told as they are taken, with what they print, and the end is told", async () => {
  const { log } = await run({ commands: ["echo it\\'s", "printf 'one\\ntwo'; true"], verify: ["test 1 = 1"] });
  assert.deepEqual(provisionState(log, "t1"), { kind: "done" });
  assert.match(log, /VIVARIUM-BUILD t1 step 1\/3 run echo it\\'s\r\nit's\r\n/);
  assert.match(log, /one\r\n/);
  assert.deepEqual(provisionState(log, "another"), { kind: "silent" });
  const half = log.slice(0, log.indexOf("step 3/3"));
  const state = provisionState(half, "t1");
  assert.equal(state.kind === "running" && state.step.number, 2);
});

test("the first command that fails ends it, with its status and what it printed", async () => {
  const { log } = await run({ commands: ["echo before; false; echo after", "echo never"] });
  const state = provisionState(log, "t1");
  assert.equal(state.kind, "failed");
  if (state.kind !== "failed") return;
  assert.equal(state.why, "exit status 1");
  assert.equal(state.step?.title, "run echo before; false; echo after");
  assert.deepEqual(state.lastLines, ["before"]);
  assert.doesNotMatch(log, /\nafter\r|\nnever\r/);
});

test("a file is written as it is, with its mode", async () => {
  const folder = await mkdtemp(join(tmpdir(), "provision-files-"));
  try {
    const content = "a 'quoted' $HOME\n\\n END-OF-FILE\n";
    const path = join(folder, "deep/er/file");
    const { log } = await run({ files: [{ path, content, mode: "0750" }], commands: [`stat -c %a ${path}`] });
    assert.equal(await readFile(path, "utf8"), content);
    assert.match(log, /\n750\r/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a URL that nobody answers is named before anything is installed", async () => {
  const recipe: Recipe = { reachable: ["http://127.0.0.1:9/releases/"], packages: ["never"] };
  assert.equal(stepsOf(recipe, { isForImage: true })[0]?.title, "look whether what it needs answers");
  const script = stepsOf(recipe, { isForImage: true })[0]?.script.replaceAll("sleep 3", "true") ?? "";
  const { stdout } = await execute("sh", ["-e", "-c", script]).catch((error: { stdout: string }) => error);
  assert.match(stdout, /VIVARIUM-UNREACHABLE http:\/\/127\.0\.0\.1:9\/releases\//);
});

test("an unreachable repository is in the state that follows", () => {
  const log = [
    "VIVARIUM-BUILD t step 1/4 read the package lists",
    "VIVARIUM-BUILD t unreachable https://packages.example.com/debian bookworm",
    "E: Some index files failed to download.",
    "[  12.3] VIVARIUM-BUILD t failed 1/4 exit status 100",
  ].join("\r\n");
  const state = provisionState(log, "t");
  assert.deepEqual(state.kind === "failed" && state.unreachable, ["https://packages.example.com/debian bookworm"]);
});

test("only a guest that becomes an image is cleaned, and last of all", () => {
  const titles = (isForImage: boolean) =>
    stepsOf({ packages: ["a"], verify: ["b"] }, { isForImage }).map(({ title }) => title);
  assert.equal(titles(true).at(-1), "clean");
  assert.ok(!titles(false).includes("clean"));
});
