import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { test } from "node:test";

const page = new URL("../../../docs/reference/events.md", import.meta.url);
const machineEvents = new URL("virtual-machine/status/events.ts", import.meta.url);

/** By name, its type. */
async function toldOnPage(): Promise<ReadonlyMap<string, string>> {
  const rows = [...(await readFile(page, "utf8")).matchAll(/^\| (`.+`) \| (Normal|Warning) \|/gm)];
  return new Map(
    rows.flatMap(([, names = "", type = ""]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]): [string, string] => [name, type]),
    ),
  );
}

test("the page of events names those that users of this API know, with their type", async () => {
  const told = await toldOnPage();
  const known = {
    SnapshotCreating: "Normal",
    SnapshotReady: "Normal",
    ReconfigureStarted: "Normal",
    ReconfigurePowerCycle: "Warning",
    CloneCompleted: "Normal",
  };
  for (const [name, type] of Object.entries(known)) assert.equal(told.get(name), type, name);
});

test("every event on the page is one that a controller tells", async () => {
  let sources = "";
  for await (const file of glob("**/*.ts", { cwd: import.meta.dirname })) {
    if (!file.endsWith(".test.ts")) sources += await readFile(new URL(file, import.meta.url), "utf8");
  }
  const unknown = [...(await toldOnPage()).keys()].filter((name) => !sources.includes(`"${name}"`));
  assert.deepEqual(unknown, []);
});

test("every event of a machine is on the page, with its type", async () => {
  const told = await toldOnPage();
  const source = await readFile(machineEvents, "utf8");
  const steps = [...source.matchAll(/\b(normal|warning)\(\s*"(\w+)"/g)].map(([, type, name = ""]): [string, string] => [
    name,
    type === "normal" ? "Normal" : "Warning",
  ]);
  const states = [...source.matchAll(/type: "(Normal|Warning)", reason: "(\w+)"/g)].map(
    ([, type = "", name = ""]): [string, string] => [name, type],
  );
  assert.ok(steps.length > 20 && states.length > 3, "the source is read");
  for (const [name, type] of [...steps, ...states]) assert.equal(told.get(name), type, name);
});
