import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CommanderError, type Command } from "commander";
import { program } from "./program.ts";
import { version } from "@vivarium/api";

function parse(...args: string[]): Promise<unknown> {
  const viv = program();
  for (const command of [viv, ...viv.commands])
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  return viv.parseAsync(["node", "viv", ...args]);
}

const isUsageError = (error: unknown): boolean => error instanceof CommanderError && error.exitCode !== 0;

test("the version is the package's", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  assert.equal(version, manifest.version);
});

test("wrong command lines are refused before anything happens", async () => {
  for (const line of [
    "nope",
    "get",
    "get vm -o xml",
    "stop vm1 --timeout soon",
    "server --port 70000",
    "logs vm1 --tail many",
  ]) {
    await assert.rejects(parse(...line.split(" ")), isUsageError, line);
  }
});

test("help that is asked for is a success", async () => {
  await assert.rejects(parse("--help"), (error) => error instanceof CommanderError && error.exitCode === 0);
});

test("every command says what it does", () => {
  const silent = (command: Command): boolean => command.description() === "";
  assert.deepEqual(
    program()
      .commands.filter((command) => silent(command))
      .map((command) => command.name()),
    [],
  );
});
