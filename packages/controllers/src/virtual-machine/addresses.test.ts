import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { usefulAddresses } from "./addresses.ts";

const mac = "52:54:00:00:00:01";

describe("usefulAddresses", () => {
  test("leaves out what nobody can reach, and interfaces inside the guest", () => {
    const found = [
      { ip: "127.0.0.1", source: "agent" },
      { ip: "169.254.1.1", mac, source: "agent" },
      { ip: "fe80::1", mac, source: "agent" },
      { ip: "172.17.0.1", mac: "02:42:00:00:00:01", source: "agent" },
      { ip: "192.0.2.7", mac: mac.toUpperCase(), source: "arp" },
    ] as const;
    assert.deepEqual(
      usefulAddresses(found, [mac]).map(({ ip }) => ip),
      ["192.0.2.7"],
    );
  });

  test("puts IPv4 first, then the first interface, and names each address once, by its best source", () => {
    const found = [
      { ip: "2001:db8::7", mac, source: "agent" },
      { ip: "192.0.2.9", mac: "52:54:00:00:00:02", source: "lease" },
      { ip: "192.0.2.7", mac, source: "agent" },
      { ip: "192.0.2.7", mac, source: "lease" },
    ] as const;
    const useful = usefulAddresses(found, [mac, "52:54:00:00:00:02"]);
    assert.deepEqual(
      useful.map(({ ip, source }) => `${ip} ${source}`),
      ["192.0.2.7 lease", "192.0.2.9 lease", "2001:db8::7 agent"],
    );
  });
});
