import assert from "node:assert/strict";
import { test } from "node:test";
import { DomainState } from "@vivarium/libvirt";
import { summaryOf } from "./host-role.ts";

const domain = { name: "web", uuid: "u-1", id: -1 };

test("a domain's size is told whether it runs or not", () => {
  const values = { "vcpu.current": 2, "vcpu.maximum": 4, "balloon.maximum": 1024 };
  const sized = { uid: "u-1", name: "web", cpus: 2, memoryBytes: 2 ** 20 };
  assert.deepEqual(summaryOf({ domain, values: { ...values, "state.state": DomainState.SHUTOFF } }), {
    ...sized,
    isOn: false,
  });
  for (const state of [DomainState.RUNNING, DomainState.PAUSED, DomainState.CRASHED]) {
    assert.equal(summaryOf({ domain, values: { ...values, "state.state": state } }).isOn, true);
  }
});
