import assert from "node:assert/strict";
import { test } from "node:test";
import { parseXml } from "../xml/element.ts";
import { cutOffNics, detourOf } from "./reconnect.ts";
import { halfWayIn } from "./users.ts";

const nic = {
  network: "lab",
  port: "p1",
  element: parseXml(
    `<interface type='network'><mac address='52:54:00:00:00:01'/><source network='lab' portid='p1' bridge='virbr1'/>
     <model type='virtio'/><alias name='ua-lan'/><link state='down'/></interface>`,
  ),
};
const domain = { name: "web", uuid: "u", id: 1 };
const use = { domain, isOurs: true, networks: new Set(["lab"]), live: [nic] };

test("an interface whose port the network does not have is cut off, where the VM is ours", () => {
  const network = "lab";
  assert.deepEqual(cutOffNics(use, { network, ports: new Set() }), [nic]);
  assert.deepEqual(cutOffNics(use, { network, ports: new Set(["p1"]) }), []);
  assert.deepEqual(cutOffNics(use, { network: "other", ports: new Set() }), []);
  assert.deepEqual(cutOffNics(use, { network, ports: undefined }), []);
  assert.deepEqual(cutOffNics({ ...use, isOurs: false }, { network, ports: new Set() }), []);
});

test("an interface that was left on the bridge itself is cut off, too", () => {
  const running = parseXml(
    `<domain><devices>
      <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='virbr1'/></interface>
      <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/></interface>
    </devices></domain>`,
  );
  const live = halfWayIn(running, [nic]);
  assert.deepEqual(
    live.map(({ network, isHalfWay }) => [network, isHalfWay]),
    [["lab", true]],
  );
  assert.deepEqual(cutOffNics({ ...use, live }, { network: "lab", ports: new Set(["p1"]) }), live);
});

test("the way back leads over the bridge itself, and nothing but the source changes", () => {
  const [there, back] = detourOf(nic, "virbr7").map(parseXml);
  assert.equal(there?.attributes["type"], "bridge");
  assert.deepEqual(there?.children[1]?.attributes, { bridge: "virbr7" });
  assert.equal(back?.attributes["type"], "network");
  assert.deepEqual(back?.children[1]?.attributes, { network: "lab" });
  const others = nic.element.children.filter(({ name }) => name !== "source");
  for (const each of [there, back])
    assert.deepEqual(
      each?.children.filter(({ name }) => name !== "source"),
      others,
    );
});
