import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseAddresses, newestLeases, parseProcNetArp } from "./choose.ts";
import type { HeardAddress } from "./choose.ts";

const mac = "52:54:00:aa:bb:01";
const heard = (ip: string, source: HeardAddress["source"], of: string | undefined = mac): HeardAddress => ({
  ip,
  mac: of,
  source,
});

test("an address is given once, by its most trusted source", () => {
  const found = chooseAddresses(
    [heard("192.168.122.5", "arp"), heard("192.168.122.5", "agent"), heard("192.168.122.5", "lease")],
    [mac],
  );
  assert.deepEqual(found, [{ ip: "192.168.122.5", mac, source: "lease" }]);
});

test("loopback and link-local addresses are dropped, others of both versions kept", () => {
  const ips = ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0", "10.0.0.7", "fd00::7"];
  const found = chooseAddresses(
    ips.map((ip) => heard(ip, "agent")),
    [mac],
  );
  assert.deepEqual(
    found.map((address) => address.ip),
    ["10.0.0.7", "fd00::7"],
  );
});

test("interfaces inside the guest that are not NICs of the VM are left out", () => {
  const found = chooseAddresses(
    [heard("172.17.0.1", "agent", "02:42:00:00:00:01"), { ip: "10.0.0.7", mac: undefined, source: "agent" }],
    [mac],
  );
  assert.deepEqual(found, []);
});

test("MACs are compared without regard to case, and addresses come in their order", () => {
  const second = "52:54:00:aa:bb:02";
  const found = chooseAddresses(
    [heard("10.0.0.2", "lease", second), heard("10.0.0.1", "lease", mac.toUpperCase())],
    [mac, second],
  );
  assert.deepEqual(
    found.map((address) => address.ip),
    ["10.0.0.1", "10.0.0.2"],
  );
});

test("of several leases of one MAC the newest of each IP version counts, and one without end is newest", () => {
  const lease = (address: string, type: number, expiryTimeSeconds: number) => ({ address, type, expiryTimeSeconds });
  const newest = newestLeases([lease("a", 0, 10), lease("b", 0, 30), lease("c", 0, 20), lease("d", 1, 5)]);
  assert.deepEqual(
    newest.map((one) => one.address),
    ["b", "d"],
  );
  assert.equal(newestLeases([lease("a", 0, 0), lease("b", 0, 30)])[0]?.address, "a");
});

test("incomplete ARP entries are left out", () => {
  const text = `IP address       HW type     Flags       HW address            Mask     Device
192.168.122.82   0x1         0x2         52:54:00:6d:f3:89     *        virbr0
192.168.122.83   0x1         0x0         00:00:00:00:00:00     *        virbr0
`;
  assert.deepEqual(parseProcNetArp(text), [heard("192.168.122.82", "arp", "52:54:00:6d:f3:89")]);
});
