import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { coreKinds, kinds } from "./kinds.ts";
import { apiVersionOf } from "./meta.ts";
import type { KubeObject } from "./meta.ts";
import { strictValidator } from "./strict-validator.testing.ts";

const folder = join(import.meta.dirname, "../../../examples");
const validators = new Map(
  [...kinds, ...coreKinds].map((kind) => [`${apiVersionOf(kind)} ${kind.kind}`, strictValidator(kind)]),
);
const files = globSync("**/*.yaml", { cwd: folder }).toSorted();

for (const file of files) {
  test(`every object of examples/${file} is valid`, () => {
    const documents = parseAllDocuments(readFileSync(join(folder, file), "utf8"));
    assert.ok(documents.length > 0);
    for (const document of documents) {
      assert.deepEqual(document.errors, []);
      const object = document.toJS() as KubeObject;
      const validate = validators.get(`${object.apiVersion} ${object.kind}`);
      assert.deepEqual(validate?.(object), [], `${object.kind} ${object.metadata.name}`);
    }
  });
}

test("there is a quick start", () => assert.ok(files.includes("quickstart.yaml")));
