import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findFiles, repositoryRoot } from "./repository.ts";

type PackageJson = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), "utf8");
}

test("docs/dependencies.md has a reason for every dependency, and for nothing else", async () => {
  const installed = new Set<string>();
  for (const file of await findFiles(["{packages,apps}/*/package.json", "{.,e2e,bench,tools}/package.json"])) {
    const json = JSON.parse(read(file)) as PackageJson;
    for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
      for (const name of Object.keys(json[kind] ?? {})) if (!name.startsWith("@vivarium/")) installed.add(name);
    }
  }
  const explained = read("docs/dependencies.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""));
  assert.deepEqual(explained.toSorted(), [...installed].toSorted());
});
