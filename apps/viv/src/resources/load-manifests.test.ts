import assert from "node:assert/strict";
import { test } from "node:test";
import { CliUserError } from "../cli-error.ts";
import { parseManifests } from "./load-manifests.ts";

const vmClass = "apiVersion: infra.virtrigaud.io/v1beta1\nkind: VMClass\nmetadata: { name: small }\n";

function messageOf(content: string): string {
  try {
    parseManifests(content, "f.yaml");
  } catch (error) {
    assert.ok(error instanceof CliUserError);
    assert.equal(error.exit, "invalid");
    return error.message;
  }
  throw new Error("expected a refusal");
}

test("malformed YAML is refused with file, line and column", () => {
  assert.match(messageOf(`${vmClass}spec:\n  cpu: [1\nmemory: 1Gi\n`), /f\.yaml:6:1/);
  assert.match(messageOf("a: b: c\n"), /f\.yaml:1:\d+/);
  assert.match(messageOf("a: 1\na: 2\n"), /f\.yaml:2:1/);
});

test("each document of a file is an object, empty ones are none", () => {
  const manifests = parseManifests(`# a comment\n---\n${vmClass}---\n\n---\n${vmClass}`, "f.yaml");
  assert.deepEqual(
    manifests.map(({ where }) => where),
    ["f.yaml:3", "f.yaml:9"],
  );
});

test("a List is its items", () => {
  const list = JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }],
  });
  assert.deepEqual(
    parseManifests(list, "f.json").map(({ object }) => object.kind),
    ["ConfigMap"],
  );
});

test("what is no object is refused with its place", () => {
  assert.match(messageOf("just text\n"), /f\.yaml:1: expected an object/);
  assert.match(messageOf(`${vmClass}---\nkind: VMClass\n`), /f\.yaml:5: apiVersion or kind is missing/);
  assert.match(messageOf("apiVersion: v1\nkind: ConfigMap\n"), /metadata\.name is missing/);
  assert.match(messageOf("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\n"), /no kind "Deployment"/);
});
