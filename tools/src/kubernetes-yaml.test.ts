import assert from "node:assert/strict";
import { test } from "node:test";
import { kinds, toCustomResourceDefinition } from "@vivarium/api";
import { parse, parseAllDocuments } from "yaml";
import { toKubernetesYaml } from "./kubernetes-yaml.ts";
import { findFiles, readRepositoryFile } from "./repository.ts";

for (const kind of kinds) {
  test(`the CRD of ${kind.kind} is the same to readers of YAML 1.1 and 1.2`, () => {
    const definition = JSON.parse(JSON.stringify(toCustomResourceDefinition(kind))) as object;
    const text = toKubernetesYaml(definition);
    assert.deepEqual(parse(text, { version: "1.1" }), definition);
    assert.deepEqual(parse(text, { version: "1.2" }), definition);
  });
}

for (const file of await findFiles(["examples/**/*.yaml"])) {
  test(`${file} is the same to readers of YAML 1.1 and 1.2`, async () => {
    const text = await readRepositoryFile(file);
    const read = (version: "1.1" | "1.2") =>
      parseAllDocuments(text, { version }).map((document) => document.toJS() as unknown);
    assert.deepEqual(read("1.1"), read("1.2"));
  });
}
