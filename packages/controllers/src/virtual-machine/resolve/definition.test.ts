import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Provider, VirtualMachine, VirtualNetwork, VMClass, VMNetworkAttachment } from "@vivarium/api";
import { resolveDefinition, resolveProvider } from "./definition.ts";
import type { RelatedObjects, ResolvedVm } from "./definition.ts";
import type { Resolved } from "../plan/input.ts";

const apiVersion = "infra.virtrigaud.io/v1beta1";
const GiB = 1024 ** 3;

function vm(spec: VirtualMachine["spec"]): VirtualMachine {
  const metadata = { name: "web", namespace: "lab", uid: "0b7c6c1e-0000-4000-8000-000000000000" };
  return { apiVersion, kind: "VirtualMachine", metadata, spec: { classRef: { name: "small" }, ...spec } };
}

function provider(name: string, namespace = "lab"): Provider {
  return {
    apiVersion,
    kind: "Provider",
    metadata: { name, namespace },
    spec: { type: "libvirt", endpoint: "qemu:///system", defaults: { network: "labnet" } },
  };
}

function attachment(spec: VMNetworkAttachment["spec"]): VMNetworkAttachment {
  return { apiVersion, kind: "VMNetworkAttachment", metadata: { name: "lan", namespace: "net" }, spec };
}

const small: VMClass = {
  apiVersion,
  kind: "VMClass",
  metadata: { name: "small", namespace: "lab" },
  spec: { cpu: 2, memory: "1Gi", firmware: "EFI", diskDefaults: { size: "40Gi" } },
};

function related(
  objects: {
    readonly providers?: readonly Provider[];
    readonly network?: VMNetworkAttachment;
    readonly virtualNetwork?: VirtualNetwork;
  } = {},
): RelatedObjects {
  const providers = objects.providers ?? [provider("kvm")];
  return {
    providers: () => providers,
    provider: (key) =>
      providers.find(({ metadata }) => metadata.name === key.name && metadata.namespace === key.namespace),
    vmClass: (key) => (key.name === "small" && key.namespace === "lab" ? small : undefined),
    clone: () => undefined,
    image: () => undefined,
    volume: () => undefined,
    pool: () => undefined,
    virtualNetwork: ({ name }) => (name === "vnet" ? objects.virtualNetwork : undefined),
    machines: () => [],
    network: (key) => (key.namespace === "net" && key.name === "lan" ? objects.network : undefined),
  };
}

function resolve(spec: VirtualMachine["spec"], objects: Parameters<typeof related>[0] = {}): Resolved<ResolvedVm> {
  const of = vm(spec);
  const from = related(objects);
  return resolveDefinition(of, from, resolveProvider(of, from, undefined));
}

function virtualNetwork(isReady: boolean, spec: VirtualNetwork["spec"] = {}): VirtualNetwork {
  const status = isReady ? "True" : "False";
  const ready = { type: "Ready", status, reason: "r", message: "stopped", lastTransitionTime: "" } as const;
  return {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "VirtualNetwork",
    metadata: { name: "vnet", namespace: "net", uid: "u" },
    spec,
    status: { conditions: [ready] },
  };
}

function must(resolved: Resolved<ResolvedVm>): ResolvedVm {
  assert.ok(resolved.ok, JSON.stringify(resolved));
  return resolved.value;
}

function problemsOf(resolved: Resolved<unknown>): readonly string[] {
  return resolved.ok ? [] : resolved.problems.map(({ reason, message }) => `${reason}: ${message}`);
}

describe("a definition", () => {
  test("takes size and firmware from the class, one interface on the provider's network, one root disk", () => {
    const { definition, rootSizeBytes, dataDisks } = must(resolve({}));
    assert.equal(definition.cpus, 2);
    assert.equal(definition.memoryBytes, GiB);
    assert.equal(definition.firmware, "UEFI");
    assert.deepEqual(definition.disks, [{ name: "root" }]);
    assert.deepEqual(definition.networks[0]?.source, { network: "labnet" });
    assert.equal(rootSizeBytes, 40 * GiB);
    assert.deepEqual(dataDisks, []);
  });

  test("spec.resources wins over the class, and is enough alone", () => {
    assert.equal(must(resolve({ resources: { cpu: 8 } })).definition.cpus, 8);
    const { definition } = must(resolve({ classRef: { name: "small" }, resources: { cpu: 1, memoryMiB: 512 } }));
    assert.equal(definition.memoryBytes, 512 * 1024 ** 2);
    const { classRef: _, ...without } = vm({ resources: { cpu: 1, memoryMiB: 512 } }).spec;
    const of = { ...vm({}), spec: without };
    assert.ok(resolveDefinition(of, related(), { ok: true, value: provider("kvm") }).ok);
    const none = resolveDefinition({ ...of, spec: {} }, related(), { ok: true, value: provider("kvm") });
    assert.match(problemsOf(none).join(), /InvalidSpec: The VM has no size/);
  });

  test("a disk named root sizes the root disk, others are data disks", () => {
    const resolved = must(
      resolve({
        disks: [
          { name: "root", sizeGiB: 12 },
          { name: "data", sizeGiB: 5, type: "thick" },
        ],
      }),
    );
    assert.equal(resolved.rootSizeBytes, 12 * GiB);
    assert.deepEqual(resolved.dataDisks, [{ name: "data", sizeBytes: 5 * GiB, preallocated: true }]);
    assert.deepEqual(resolved.definition.disks, [{ name: "root" }, { name: "data", serial: "data" }]);
  });

  test("an attachment gives source, model, MTU and the guest's configuration", () => {
    const network = attachment({
      network: { mtu: 9000, libvirt: { bridge: { name: "br0" }, model: "e1000" } },
      ipAllocation: {
        type: "Static",
        staticConfig: { address: "192.0.2.5/24", gateway: "192.0.2.1" },
        dnsConfig: { servers: ["192.0.2.2"] },
      },
    });
    const { definition, seedNics } = must(
      resolve({ networks: [{ name: "lan", networkRef: { name: "lan", namespace: "net" } }] }, { network }),
    );
    assert.deepEqual(definition.networks[0]?.source, { bridge: "br0" });
    assert.equal(definition.networks[0]?.model, "e1000");
    assert.equal(definition.networks[0]?.mtu, 9000);
    assert.deepEqual(seedNics[0]?.addresses, ["192.0.2.5/24"]);
    assert.deepEqual(seedNics[0]?.nameservers?.addresses, ["192.0.2.2"]);
  });

  test("the VM's own address wins; without one it is DHCP; None expects no address", () => {
    const own = must(
      resolve({
        networks: [{ name: "a", ipAddress: "10.0.0.5", prefix: 16, gateway: "10.0.0.1", dns: "1.1.1.1, 9.9.9.9" }],
      }),
    );
    assert.deepEqual(own.seedNics[0]?.addresses, ["10.0.0.5/16"]);
    assert.deepEqual(own.seedNics[0]?.nameservers?.addresses, ["1.1.1.1", "9.9.9.9"]);
    assert.equal(must(resolve({})).seedNics[0]?.dhcp4, true);
    const network = attachment({ network: { libvirt: { networkName: "x" } }, ipAllocation: { type: "None" } });
    const none = must(
      resolve({ networks: [{ name: "a", networkRef: { name: "lan", namespace: "net" } }] }, { network }),
    );
    assert.equal(none.expectsAddress, false);
  });

  test("an empty list of networks is no interface", () => {
    const { definition, expectsAddress } = must(resolve({ networks: [] }));
    assert.deepEqual(definition.networks, []);
    assert.equal(expectsAddress, false);
  });

  test("everything wrong is named at once", () => {
    const problems = problemsOf(
      resolve({
        classRef: { name: "huge" },
        disks: [
          { name: "a", sizeGiB: 1 },
          { name: "a", sizeGiB: 1 },
          { name: "seed", sizeGiB: 1 },
        ],
        networks: [{ name: "n", networkRef: { name: "gone" } }],
        userData: { ignition: { inline: "{}" } },
        resources: { gpu: { count: 1 } },
      }),
    ).join("\n");
    for (const expected of [
      /ClassNotFound: VMClass "lab\/huge"/,
      /two disks named "a"/,
      /name "seed" is taken/,
      /NetworkNotFound.*"lab\/gone"/,
      /Unsupported: spec.userData.ignition/,
      /Unsupported: spec.resources.gpu/,
    ]) {
      assert.match(problems, expected);
    }
  });
});

describe("the Provider", () => {
  const resolveOf = (spec: VirtualMachine["spec"], providers: readonly Provider[], madeOn?: string) =>
    resolveProvider(vm(spec), related({ providers }), madeOn);

  test("is the one named, else the only one of the namespace", () => {
    assert.ok(
      resolveOf({ providerRef: { name: "b", namespace: "other" } }, [provider("a"), provider("b", "other")]).ok,
    );
    assert.ok(resolveOf({}, [provider("a"), provider("b", "other")]).ok);
    assert.match(problemsOf(resolveOf({}, [])).join(), /ProviderNotFound/);
    assert.match(problemsOf(resolveOf({}, [provider("a"), provider("b")])).join(), /InvalidSpec.*a, b/);
  });

  test("of a VM that was made stays, whatever the spec says now", () => {
    const providers = [provider("a"), provider("b")];
    const moved = resolveOf({ providerRef: { name: "b" } }, providers, "lab/a");
    assert.equal(moved.made?.metadata.name, "a");
    assert.match(problemsOf(moved).join(), /InvalidSpec.*cannot be moved/);
    const kept = resolveOf({}, providers, "lab/a");
    assert.equal(kept.ok && kept.value.metadata.name, "a");
    assert.match(problemsOf(resolveOf({}, [provider("b")], "lab/a")).join(), /ProviderNotFound/);
  });
});

describe("a VirtualNetwork", () => {
  const direct = { networks: [{ name: "n", virtualNetworkRef: { name: "vnet", namespace: "net" } }] };
  const through = { networks: [{ name: "n", networkRef: { name: "lan", namespace: "net" } }] };
  const lan = attachment({ network: { virtualNetworkRef: { name: "vnet" } } });
  const local = { namespace: "lab", name: "kvm" };

  test("is plugged into by its name on the hypervisor, with or without an attachment between", () => {
    for (const spec of [direct, through]) {
      const made = virtualNetwork(true, { providerRef: local, create: { mode: "isolated" } });
      const { definition } = must(resolve(spec, { network: lan, virtualNetwork: made }));
      assert.deepEqual(definition.networks[0]?.source, { network: "net_vnet" });
      const adopted = virtualNetwork(true, { providerRef: local, adopt: { name: "default" } });
      const other = must(resolve(spec, { network: lan, virtualNetwork: adopted }));
      assert.deepEqual(other.definition.networks[0]?.source, { network: "default" });
    }
  });

  test("that is not there, not ready or on another Provider is told", () => {
    assert.match(problemsOf(resolve(direct)).join("\n"), /NetworkNotFound: VirtualNetwork "net\/vnet"/);
    assert.match(
      problemsOf(resolve(direct, { virtualNetwork: virtualNetwork(false) })).join("\n"),
      /NetworkNotReady: .*stopped/,
    );
    const elsewhere = virtualNetwork(true, { providerRef: { name: "far" } });
    assert.match(problemsOf(resolve(direct, { virtualNetwork: elsewhere })).join("\n"), /InvalidSpec: .*"net\/far"/);
    const both = { networks: [{ ...direct.networks[0], ...through.networks[0], name: "n" }] };
    assert.match(
      problemsOf(resolve(both, { network: lan })).join("\n"),
      /InvalidSpec: .*networkRef and virtualNetworkRef/,
    );
  });
});
