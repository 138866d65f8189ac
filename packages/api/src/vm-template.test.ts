import assert from "node:assert/strict";
import { test } from "node:test";
import { findTemplate } from "./vm-template.ts";
import type { VMTemplate, VMTemplateStatus } from "./vm-template.ts";

function template(name: string, version?: string, phase: VMTemplateStatus["phase"] = "Ready"): VMTemplate {
  return {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "VMTemplate",
    metadata: { name, namespace: "lab" },
    spec: { name: "web", source: { vmRef: { name: "web" } }, ...(version === undefined ? {} : { version }) },
    status: { phase },
  };
}
const find = (name: string, ...all: readonly VMTemplate[]) =>
  findTemplate(all, { namespace: "lab", name })?.metadata.name;

test("an object's own name wins", () => {
  assert.equal(find("web", template("web", "1"), template("web-v2", "2")), "web");
});

test("the last version is the one of the highest number that is ready", () => {
  const [v9, v10] = [template("a", "9"), template("b", "10")];
  assert.equal(find("web", v10, v9), "b");
  assert.equal(find("web", v9, template("b", "10", "Copying")), "a");
  assert.equal(find("web", template("b", "10", "Failed")), "b");
  assert.equal(find("db", v9), undefined);
  assert.equal(findTemplate([v9], { namespace: "other", name: "web" }), undefined);
});
