import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject, Secret, VirtualMachine } from "@vivarium/api";
import { checkUserData } from "@vivarium/images";
import { parseAllDocuments } from "yaml";
import { findFiles, readRepositoryFile } from "./repository.ts";

for (const file of await findFiles(["examples/**/*.yaml"])) {
  const objects = parseAllDocuments(await readRepositoryFile(file)).map((document) => document.toJS() as KubeObject);
  for (const object of objects) {
    for (const text of userDataIn(object)) {
      test(`the user-data in ${file} is what cloud-init takes`, () => assert.deepEqual(checkUserData(text), []));
    }
  }
}

function userDataIn(object: KubeObject): string[] {
  const inline = (object as Partial<VirtualMachine>).spec?.userData?.cloudInit?.inline;
  const secret = object.kind === "Secret" ? (object as Secret).stringData?.["user-data"] : undefined;
  return [inline, secret].filter((text) => text !== undefined);
}
