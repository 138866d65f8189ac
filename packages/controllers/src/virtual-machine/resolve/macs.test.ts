import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { MacLedger } from "../perform/mac-ledger.ts";
import { allocateMacs, derivedMac, isMacDue, macsOf } from "./macs.ts";
import { readRecord } from "../status/stored-record.ts";

function vm(
  name: string,
  networks: VirtualMachine["spec"]["networks"],
  provider?: Record<string, unknown>,
): VirtualMachine {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name, namespace: "lab", uid: `uid-${name}` },
    spec: networks === undefined ? {} : { networks },
    ...(provider === undefined ? {} : { status: { provider } }),
  };
}

const nobody = (): undefined => undefined;

test("each interface gets an address of its own in QEMU's range, the same each time", () => {
  const of = vm("web", [{ name: "a" }, { name: "b" }]);
  const given = allocateMacs(of, { record: { stops: 0 }, holderOf: nobody });
  assert.ok(given.ok);
  for (const mac of Object.values(given.macs)) assert.match(mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.notEqual(given.macs["a"], given.macs["b"]);
  assert.deepEqual(Object.values(given.macs), macsOf(of));
  assert.deepEqual(allocateMacs(of, { record: { stops: 0 }, holderOf: nobody }), given);
});

test("an address that somebody has is not given", () => {
  const taken = derivedMac({ uid: "uid-web", name: "a" }, 0);
  const given = allocateMacs(vm("web", [{ name: "a" }]), {
    record: { stops: 0 },
    holderOf: (mac) => (mac === taken ? "somebody" : undefined),
  });
  assert.ok(given.ok);
  assert.equal(given.macs["a"], derivedMac({ uid: "uid-web", name: "a" }, 1));
});

test("what was given is kept, whatever goes before it in the list; what is declared wins, with colons and in lower case", () => {
  const macs = { a: "52:54:00:00:00:01", b: "52:54:00:00:00:02" };
  assert.deepEqual(macsOf(vm("web", [{ name: "b" }, { name: "a" }], { macs })), [macs.b, macs.a]);
  const declared = vm("web", [{ name: "a", macAddress: "52-54-00-AA-BB-CC" }], { macs });
  assert.deepEqual(macsOf(declared), ["52:54:00:aa:bb:cc"]);
  assert.equal(isMacDue(declared, readRecord(declared.status)), true);
  assert.equal(isMacDue(vm("web", [{ name: "b" }]), { stops: 0, macs }), false);
});

test("machines that were made before addresses were kept by name keep theirs", () => {
  const fields = {
    networks: "lan network=my net virtio 52:54:00:00:00:09 1400,wan bridge=br0 e1000 52:54:00:00:00:0a ",
  };
  const applied = { generation: 1, fields, disks: [], macs: ["52:54:00:00:00:09", "52:54:00:00:00:0a"] };
  const of = vm("web", [{ name: "wan" }, { name: "lan" }], { applied });
  assert.deepEqual(macsOf(of), ["52:54:00:00:00:0a", "52:54:00:00:00:09"]);
});

test("two machines that are made at once do not get one address, nor one that is on the host", () => {
  const ledger = new MacLedger();
  const mac = "52:54:00:00:00:07";
  const declared = [{ name: "a", macAddress: mac }];
  const [first, second] = [vm("first", declared), vm("second", declared)];
  const record = { stops: 0 };
  const from = { record, machinesWith: () => [], onHost: () => [] };
  assert.ok(ledger.give(first, from).ok);
  assert.ok(ledger.give(first, from).ok);
  const refused = ledger.give(second, from);
  assert.match(refused.ok ? "" : refused.why, /52:54:00:00:00:07 of interface "a" is in use/);
  ledger.forget("uid-first");
  assert.ok(ledger.give(second, from).ok);
  const given = { ...second, status: { provider: { macs: { a: mac } } } };
  const taken = new MacLedger().give(first, { ...from, machinesWith: () => [first, given] });
  assert.match(taken.ok ? "" : taken.why, /VirtualMachine ".*second"/);
  const foreign = new MacLedger().give(first, { ...from, onHost: () => [{ mac, domain: "theirs", uid: "other" }] });
  assert.match(foreign.ok ? "" : foreign.why, /domain "theirs"/);
  assert.ok(new MacLedger().give(first, { ...from, onHost: () => [{ mac, domain: "first", uid: "uid-first" }] }).ok);
});
