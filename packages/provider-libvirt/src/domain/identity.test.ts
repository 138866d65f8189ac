import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmIdentity } from "@vivarium/provider";
import { element, parseXml, renderXml } from "../xml/element.ts";
import { foreignReason, markElement, readMark } from "./identity.ts";

const vm: VmIdentity = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "lab", name: "web" };
const found = { name: "lab_web", uuid: vm.uid, mark: vm };

test("the mark is read back, whatever prefix libvirt gives it", () => {
  const written = renderXml(element("domain", {}, [element("metadata", {}, [element("other:x"), markElement(vm)])]));
  assert.deepEqual(readMark(parseXml(written)), vm);
  assert.deepEqual(readMark(parseXml(written.replaceAll("vivarium:", "v:").replace("xmlns:vivarium", "xmlns:v"))), vm);
  assert.deepEqual(readMark(parseXml(written.replaceAll("vivarium:vm", "vm").replace("xmlns:vivarium", "xmlns"))), vm);
});

test("an element of another namespace is no mark", () => {
  const other =
    "<domain><metadata><v:vm xmlns:v='https://example.org/' uid='1' namespace='a' name='b'/></metadata></domain>";
  assert.equal(readMark(parseXml(other)), undefined);
  assert.equal(readMark(parseXml("<domain/>")), undefined);
});

test("a domain is ours only with our UUID and our mark", () => {
  assert.equal(foreignReason(vm, found), undefined);
  assert.match(foreignReason(vm, { ...found, uuid: "11111111-9d3a-4a53-9a33-4c2f6f1f7a01" }) ?? "", /UUID/);
  assert.match(foreignReason(vm, { ...found, mark: undefined }) ?? "", /metadata/);
  assert.match(foreignReason(vm, { ...found, mark: { ...vm, uid: "2" } }) ?? "", /another VM/);
});
