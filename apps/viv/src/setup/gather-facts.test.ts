import assert from "node:assert/strict";
import { test } from "node:test";
import { debootstrapHostPackages } from "@vivarium/images";
import { ufwAllowsGuests } from "./gather-facts.ts";
import { packagesFor } from "./host-packages.ts";

const dhcp = "### tuple ### allow udp 67 0.0.0.0/0 any 0.0.0.0/0 in_virbr0";
const dns = "### tuple ### allow any 53 0.0.0.0/0 any 0.0.0.0/0 in_virbr0";

test("UFW lets guests in only when both DHCP and DNS are allowed on virbr0", () => {
  assert.equal(ufwAllowsGuests(`${dhcp}\n-A ufw-user-input …\n${dns}\n`), true);
  assert.equal(ufwAllowsGuests(dhcp), false);
  assert.equal(ufwAllowsGuests([dhcp, dns].join("\n").replaceAll("virbr0", "eth0")), false);
  assert.equal(ufwAllowsGuests([dhcp, dns].join("\n").replaceAll("allow", "deny")), false);
});

/** On every Debian host: nothing to install. */
const essential: readonly string[] = ["apt", "util-linux"];

test("what a local image build needs is among the packages that set-up installs", () => {
  const installed = new Set([...packagesFor("apt", { isRoot: true }), ...essential]);
  assert.deepEqual(
    debootstrapHostPackages.filter((name) => !installed.has(name)),
    [],
  );
});
