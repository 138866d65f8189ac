import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolDefinition } from "@vivarium/provider";
import { find, parseXml, textAt } from "../xml/element.ts";
import { buildPoolDefinitionXml, missingFieldsOf } from "./pool-definition.ts";

const head = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", name: "disks" };

const rows: readonly (readonly [string, Omit<PoolDefinition, "uid" | "name">, readonly string[]])[] = [
  ["a folder needs its path", { type: "dir" }, ["spec.create.path"]],
  ["a file system needs a device", { type: "fs", path: "/srv" }, ["spec.create.source.devices"]],
  [
    "an export needs a server and a folder there",
    { type: "netfs", path: "/srv" },
    ["spec.create.source.host", "spec.create.source.path"],
  ],
  ["a volume group needs its name", { type: "logical" }, ["spec.create.source.name"]],
  ["a volume group needs no more", { type: "logical", source: { name: "vg0" } }, []],
];

for (const [rule, definition, missing] of rows) {
  test(rule, () => assert.deepEqual(missingFieldsOf({ ...head, ...definition }), missing));
}

test("an export is written as libvirt wants it", () => {
  const source = { host: "nas", path: "/export", format: "nfs" };
  const root = parseXml(buildPoolDefinitionXml({ ...head, type: "netfs", path: "/srv/nfs", source }));
  assert.equal(textAt(root, "uuid"), head.uid);
  assert.equal(find(root, "source", "host")?.attributes["name"], "nas");
  assert.equal(find(root, "source", "dir")?.attributes["path"], "/export");
  assert.equal(find(root, "source", "format")?.attributes["type"], "nfs");
  assert.equal(textAt(root, "target", "path"), "/srv/nfs");
});

test("a volume group has its devices, its name and its place under /dev", () => {
  const source = { name: "vg0", devices: ["/dev/sdb"] };
  const root = parseXml(buildPoolDefinitionXml({ ...head, type: "logical", source }));
  assert.equal(find(root, "source", "device")?.attributes["path"], "/dev/sdb");
  assert.equal(textAt(root, "source", "name"), "vg0");
  assert.equal(textAt(root, "target", "path"), "/dev/vg0");
});
