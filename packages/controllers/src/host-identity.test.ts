import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimulatedHypervisor } from "@vivarium/provider";
import { ManualClock } from "@vivarium/runtime";
import type { HostFindings } from "./host-health.ts";
import { otherMachine } from "./host-identity.ts";

async function found(hostname: string, uuid: string): Promise<HostFindings> {
  const info = await createSimulatedHypervisor({ clock: new ManualClock(0) })
    .open()
    .describe();
  return { info: { ...info, hostname }, details: { uuid, versions: { hypervisor: "sim 1" } } };
}

const endpoint = "qemu+tcp://10.0.0.2/system";

test("an endpoint that leads to a machine of another name and UUID is told with both", async () => {
  const verdict = otherMachine({ hostname: "kvm1", uuid: "1" }, { findings: await found("kvm2", "2"), endpoint });
  assert.equal(verdict?.reason, "AnotherMachine");
  assert.match(verdict.message, /^qemu\+tcp.* leads to machine "kvm2" \(2\), expected "kvm1" \(1\)/);
});

test("a machine that is renamed, one that makes up its UUID, and one that is seen for the first time are the same", async () => {
  const findings = await found("kvm1", "1");
  assert.equal(otherMachine({ hostname: "old", uuid: "1" }, { findings, endpoint }), undefined);
  assert.equal(otherMachine({ hostname: "kvm1", uuid: "0" }, { findings, endpoint }), undefined);
  assert.equal(otherMachine(undefined, { findings, endpoint }), undefined);
  assert.equal(otherMachine({ hostname: "kvm2", uuid: "2" }, { findings: undefined, endpoint }), undefined);
});
