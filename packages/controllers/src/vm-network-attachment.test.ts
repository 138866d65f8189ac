import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, Provider, VirtualMachine, VMNetworkAttachment } from "@vivarium/api";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { macsOf } from "./virtual-machine/resolve/macs.ts";
import { networkVerdict } from "./vm-network-attachment-plan.ts";
import { createVmNetworkAttachmentController } from "./vm-network-attachment.ts";

const key = { namespace: "default", name: "lan" };

function attachment(spec: VMNetworkAttachment["spec"]): VMNetworkAttachment {
  return { ...headOf(VMNetworkAttachment, "lan"), spec };
}

test("a network is Ready, counts its machines, and knows their addresses there", async (t) => {
  const { client, manager, clock, run, until } = await controllersLab(t);
  run(createVmNetworkAttachmentController({ manager, clock }));
  await client.create(Provider, provider("lab"));
  await client.create(
    VMNetworkAttachment,
    attachment({ network: { type: "nat", libvirt: { networkName: "default" } } }),
  );
  const spec = { networks: [{ name: "other" }, { name: "lan", networkRef: { name: "lan" } }] };
  const vm = await client.create(VirtualMachine, machine("a", spec));
  const object = await until(VMNetworkAttachment, "lan", ({ status }) => status?.connectedVMs === 1);
  assert.equal(object.status?.ready, true);
  assert.equal(object.status.phase, "Ready");
  assert.equal(object.status.availableOn, undefined);
  const [, mac = ""] = macsOf(vm);
  await client.updateStatus(VirtualMachine, {
    ...vm,
    status: {
      phase: "Running",
      addresses: [
        { ip: "192.0.2.7", mac, source: "lease" },
        { ip: "192.0.2.8", mac: "52:54:00:00:00:01", source: "lease" },
      ],
    },
  });
  const running = await until(VMNetworkAttachment, "lan", ({ status }) => status?.availableOn?.includes("lab"));
  assert.deepEqual(running.status?.ipAllocations, [{ ip: "192.0.2.7", vm: "a", mac }]);
});

test("what cannot be honoured is refused by name, and heals when it is removed", async (t) => {
  const { client, manager, clock, run, until } = await controllersLab(t);
  run(createVmNetworkAttachmentController({ manager, clock }));
  const network = { libvirt: { bridge: { name: "br0", stp: true } } };
  const qos = { priority: 3 };
  const security = { encryption: { enabled: true } };
  await client.create(VMNetworkAttachment, attachment({ network, qos, security }));
  const object = await until(VMNetworkAttachment, "lan", ({ status }) => status?.ready === false);
  const ready = findCondition(object.status?.conditions, "Ready");
  assert.equal(ready?.reason, "Unsupported");
  for (const field of ["spec.qos.priority", "spec.security.encryption", "spec.network.libvirt.bridge.stp"]) {
    assert.ok(ready.message.includes(field), field);
  }
  await client.mergePatch(VMNetworkAttachment, key, {
    spec: { network: { libvirt: { bridge: { stp: false } } }, qos: null, security: null },
  });
  await until(VMNetworkAttachment, "lan", ({ status }) => status?.ready === true);
});

for (const [name, spec, reason] of [
  ["a libvirt network", { network: { libvirt: { networkName: "default" } } }, "Ready"],
  ["a host bridge", { network: { type: "bridged", libvirt: { bridge: { name: "br0" } } } }, "Ready"],
  ["NAT without a name", { network: { type: "nat" } }, "Ready"],
  ["a bridged network without a name", { network: { type: "bridged" } }, "InvalidSpec"],
  ["a bridge that cannot be", { network: { libvirt: { bridge: { name: "a b" } } } }, "InvalidSpec"],
  ["a network for vSphere only", { network: { vsphere: { portgroup: "VM Network" } } }, "Unsupported"],
  [
    "a firewall, limits and isolation",
    {
      network: { type: "nat" },
      qos: { ingressLimit: 1_000_000, ingressPeak: 2_000_000, egressLimit: 8000 },
      security: {
        antiSpoofing: true,
        isolation: { mode: "strict" },
        firewall: {
          enabled: true,
          rules: [{ name: "ssh", action: "DROP", direction: "in", protocol: "tcp", ports: { start: 22 } }],
        },
      },
    },
    "Ready",
  ],
  [
    "a peak below the average",
    { network: { type: "nat" }, qos: { egressLimit: 9000, egressPeak: 8000 } },
    "InvalidSpec",
  ],
  [
    "a rule whose sender is no network",
    {
      network: { type: "nat" },
      security: {
        firewall: { enabled: true, rules: [{ name: "x", action: "DROP", direction: "in", sourceCIDR: "lan" }] },
      },
    },
    "InvalidSpec",
  ],
  [
    "a rule with ports of no protocol",
    {
      network: { type: "nat" },
      security: {
        firewall: { enabled: true, rules: [{ name: "x", action: "DROP", direction: "in", ports: { start: 1 } }] },
      },
    },
    "InvalidSpec",
  ],
  ["addresses from a pool", { network: { type: "nat" }, ipAllocation: { type: "Pool" } }, "Unsupported"],
  ["a fixed address without one", { network: { type: "nat" }, ipAllocation: { type: "Static" } }, "InvalidSpec"],
] as const satisfies readonly (readonly [string, VMNetworkAttachment["spec"], string])[]) {
  test(`${name}: ${reason}`, () => {
    assert.equal(networkVerdict(spec).reason, reason);
  });
}
