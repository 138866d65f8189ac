import assert from "node:assert/strict";
import { test } from "node:test";
import { CliUserError } from "../cli-error.ts";
import { findKind, parseReferences } from "./find-kind.ts";

const plain = (first: string, ...names: string[]): readonly string[] =>
  parseReferences(first, names).map(({ kind, name }) => `${kind.kind}/${name ?? "*"}`);

test("a kind is found by all its names", () => {
  for (const word of [
    "vm",
    "VirtualMachine",
    "virtualmachine",
    "virtualmachines",
    "virtualmachines.infra.virtrigaud.io",
  ]) {
    assert.equal(findKind(word).kind, "VirtualMachine", word);
  }
  assert.equal(findKind("vmimg").kind, "VMImage");
  assert.equal(findKind("cm").kind, "ConfigMap");
});

test("an unknown kind is a usage error that lists the known ones", () => {
  assert.throws(
    () => findKind("pods"),
    (error) =>
      error instanceof CliUserError && error.exit === "usage" && error.fix.join("").includes("virtualmachines/vm"),
  );
});

test("objects are named as kubectl has them named", () => {
  assert.deepEqual(plain("vm"), ["VirtualMachine/*"]);
  assert.deepEqual(plain("vm", "a", "b"), ["VirtualMachine/a", "VirtualMachine/b"]);
  assert.deepEqual(plain("vm/a", "vmclass/b"), ["VirtualMachine/a", "VMClass/b"]);
  assert.deepEqual(plain("vm,vmimg"), ["VirtualMachine/*", "VMImage/*"]);
  assert.deepEqual(plain("all"), ["VirtualMachine/*", "VMSet/*", "VMGroup/*"]);
});

test("names with several kinds, or half a reference, are refused", () => {
  assert.throws(() => parseReferences("vm,vmimg", ["a"]), CliUserError);
  assert.throws(() => parseReferences("vm/", []), CliUserError);
  assert.throws(() => parseReferences("vm/a", ["b"]), CliUserError);
});
