import assert from "node:assert/strict";
import { test } from "node:test";
import { reachOf } from "./address.ts";

const local = { migrationAddress: undefined };
const hostname = "kvm1";

test("a host is reached where its Provider says, or at the address of its endpoint", async () => {
  const to = { migrationAddress: "10.0.0.2" };
  assert.deepEqual(await reachOf({ from: local, to, hostname }), { kind: "address", address: "10.0.0.2" });
});

test("this machine cannot be reached from the other end of a tunnel: its address towards that one is a loopback", async () => {
  for (const migrationAddress of ["127.0.0.1", "localhost"]) {
    const reach = await reachOf({ from: { migrationAddress }, to: local, hostname });
    assert.equal(reach.kind, "nowhere");
  }
});

test("two hosts on this machine reach each other by its name, unless that is a localhost, which libvirt refuses", async () => {
  const reach = await reachOf({ from: local, to: local, hostname: "localhost.localdomain" });
  assert.deepEqual(reach, { kind: "nowhere", why: 'its host name is "localhost.localdomain"' });
});
