// The VirtualMachine controller on a real API server and a simulated hypervisor.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Event, findCondition, Secret, VMClass, VMImage } from "@vivarium/api";
import { readyOf, VmLab } from "../testing/vm-lab.ts";

describe("create", () => {
  test("a VM is made, started and Ready with its address, in at most five status writes", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { disks: [{ name: "data", sizeGiB: 5 }] });
    const vm = await lab.untilReady("web");
    assert.equal(vm.status?.phase, "Running");
    assert.equal(vm.status?.powerState, "On");
    assert.deepEqual(vm.status?.ips, ["192.168.122.10"]);
    assert.equal(vm.status?.addresses?.[0]?.source, "lease");
    assert.equal(vm.status?.observedGeneration, 1);
    assert.equal(findCondition(vm.status?.conditions, "Provisioning")?.status, "False");
    assert.equal(findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle")?.status, "False");
    assert.equal(lab.inventory().volumes.length, 3);
    assert.ok((lab.statusWrites.get("web") ?? 0) <= 5, `${lab.statusWrites.get("web")} status writes`);
    assert.deepEqual(
      lab.steps.filter(({ phase }) => phase === "done").map(({ step }) => step),
      [
        "AddFinalizer",
        "Check",
        "AllocateMacs",
        "RecordPlacement",
        "EnsureRootDisk",
        "EnsureDataDisk",
        "WriteSeed",
        "Define",
        "Start",
      ],
    );
  });

  test("a VM at rest is not written and hardly looked at", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await lab.clock.advance(1_000);
    const writes = lab.statusWrites.get("web");
    const calls = lab.sim.calls.length;
    await lab.clock.advance(600_000);
    assert.equal(lab.statusWrites.get("web"), writes);
    assert.ok(lab.sim.calls.length - calls <= 25, `${lab.sim.calls.length - calls} calls in ten minutes`);
  });

  test("all that is missing is named at once, and the VM heals as it appears", async (t) => {
    const lab = await VmLab.start(t, { without: ["VMClass", "VMImage"] });
    const secretRef = { name: "init" };
    await lab.createVm("web", {
      userData: { cloudInit: { secretRef } },
      networks: [{ name: "eth0", networkRef: { name: "lan" } }],
    });
    const vm = await lab.untilReason("web", "ClassNotFound");
    const message = readyOf(vm)?.message ?? "";
    for (const name of ["small", "debian", "init", "lan"]) assert.match(message, new RegExp(`/${name}"`));
    assert.equal(vm.status?.phase, "Pending");
    await lab.createClass();
    await lab.untilReason("web", "ImageNotFound");
    await lab.patchVm("web", { spec: { networks: null } });
    await lab.createImage({ isReady: false });
    await lab.untilReason("web", "SecretNotFound");
    await lab.client.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "init", namespace: "default" },
      data: { "user-data": Buffer.from("#cloud-config\nhostname: web\n").toString("base64") },
    });
    await lab.untilReason("web", "ImageNotReady");
    assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
    await lab.finishImage(await lab.client.get(VMImage, { namespace: "default", name: "debian" }));
    await lab.untilReady("web");
  });

  test("a Provider that is not there is waited for", async (t) => {
    const lab = await VmLab.start(t, { without: ["Provider"] });
    await lab.createVm("web");
    await lab.untilReason("web", "ProviderNotFound");
    await lab.createProvider();
    await lab.untilReady("web");
  });

  test("the progress of the image is the VM's message", async (t) => {
    const lab = await VmLab.start(t, { without: ["VMImage"] });
    await lab.createImage({ isReady: false });
    const image = await lab.client.get(VMImage, { namespace: "default", name: "debian" });
    await lab.client.updateStatus(VMImage, {
      ...image,
      status: {
        phase: "Downloading",
        importProgress: { percentage: 41, totalBytes: 100, eta: "30s" },
        observedGeneration: 1,
      },
    });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "ImageNotReady");
    assert.match(vm.status?.message ?? "", /downloading 41 %, ETA 30s/);
  });

  test("an image that failed says why", async (t) => {
    const lab = await VmLab.start(t, { without: ["VMImage"] });
    await lab.createImage({ isReady: false });
    const image = await lab.client.get(VMImage, { namespace: "default", name: "debian" });
    const lastTransitionTime = "2026-01-01T00:00:00Z";
    await lab.client.updateStatus(VMImage, {
      ...image,
      status: {
        phase: "Failed",
        observedGeneration: 1,
        conditions: [
          { type: "Ready", status: "False", reason: "ChecksumMismatch", message: "sha256 differs", lastTransitionTime },
        ],
      },
    });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "ImageFailed");
    assert.match(vm.status?.message ?? "", /sha256 differs/);
  });

  test("user-data that cloud-init would not take makes nothing", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { userData: { cloudInit: { inline: "#cloud-config\nusers: 5\n" } } });
    const vm = await lab.untilReason("web", "InvalidUserData");
    assert.equal(vm.status?.phase, "Failed");
    assert.match(vm.status?.message ?? "", /line 2.*users/);
    assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
    await lab.patchVm("web", { spec: { userData: { cloudInit: { inline: "#cloud-config\nusers: [default]\n" } } } });
    await lab.untilReady("web");
  });

  test("what the host cannot run is refused before anything is made", async (t) => {
    const lab = await VmLab.start(t, { host: { memoryBytes: 2 * 1024 ** 3 } });
    await lab.createVm("web", { resources: { memoryMiB: 4096 } });
    const vm = await lab.untilReason("web", "InvalidSpec");
    assert.equal(vm.status?.phase, "Failed");
    assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
    await lab.patchVm("web", { spec: { resources: { memoryMiB: 1024 } } });
    const ready = await lab.untilReady("web");
    assert.equal(ready.status?.currentResources?.memoryMiB, 1024);
  });

  test("a domain of that name that is not ours is left alone, also by a delete", async (t) => {
    const lab = await VmLab.start(t);
    lab.sim.addForeignDomain({ name: "web", uid: "11111111-1111-1111-1111-111111111111" });
    await lab.createVm("web");
    await lab.untilReason("web", "NameConflict");
    await lab.deleteVm("web");
    await lab.untilGone("web");
    assert.equal(lab.sim.world.domains.get("11111111-1111-1111-1111-111111111111")?.power, "running");
    assert.deepEqual(lab.inventory().volumes, []);
  });

  test("a VM that shall be off is made and not started", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { powerState: "Off" });
    const vm = await lab.untilReason("web", "Stopped");
    assert.equal(vm.status?.phase, "Stopped");
    assert.equal(lab.callsOf("compute.start"), 0);
    assert.equal(lab.inventory().domains.length, 1);
    await lab.patchVm("web", { spec: { powerState: "On" } });
    await lab.untilReady("web");
  });
});

describe("power", () => {
  test("a guest that shuts itself down is shown as stopped, then started again with back-off", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    const uid = metadata.uid ?? "";
    await lab.untilReady("web");
    const delays: number[] = [];
    for (let round = 0; round < 3; round++) {
      const stoppedAtMs = lab.clock.now();
      lab.sim.stopFromOutside(uid, "shutdown");
      const stopped = await lab.untilVm("web", "is stopped", (vm) => vm.status?.phase === "Stopped", 1_000);
      assert.equal(stopped.status?.lastStop?.method, "Guest");
      assert.ok(stopped.status?.nextAttemptTime !== undefined);
      assert.equal(stopped.status?.ips, undefined);
      await lab.untilReady("web");
      delays.push(Math.floor((lab.clock.now() - stoppedAtMs) / 1_000));
    }
    assert.deepEqual(delays, [3, 6, 12]);
    lab.sim.stopFromOutside(uid, "destroyed");
    await lab.untilVm("web", "was stopped by others", (vm) => vm.status?.lastStop?.method === "External", 1_000);
    await lab.untilReady("web");
    await lab.clock.advance(11 * 60_000);
    lab.sim.stopFromOutside(uid, "crashed");
    const crashed = await lab.untilVm("web", "has crashed", (vm) => vm.status?.lastStop?.method === "Crashed", 1_000);
    const waitMs = Date.parse(crashed.status?.nextAttemptTime ?? "") - Date.parse(crashed.status?.lastStop?.time ?? "");
    assert.equal(waitMs, 3_000);
    await lab.untilReady("web");
  });

  test("Off pulls the plug, On starts at once", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await lab.patchVm("web", { spec: { powerState: "Off" } });
    const vm = await lab.untilReason("web", "Stopped", 1_000);
    assert.equal(vm.status?.lastStop?.method, "Forced");
    assert.equal(lab.callsOf("compute.requestShutdown"), 0);
    await lab.patchVm("web", { spec: { powerState: "On" } });
    await lab.untilVm("web", "runs", ({ status }) => status?.phase === "Running", 1_000);
  });

  test("OffGraceful shuts the guest down and says so", async (t) => {
    const lab = await VmLab.start(t, { guest: { shutdownMs: 4_000 } });
    await lab.createVm("web");
    await lab.untilReady("web");
    await lab.patchVm("web", { spec: { powerState: "OffGraceful" } });
    await lab.untilReason("web", "ShuttingDown", 1_000);
    const vm = await lab.untilReason("web", "Stopped", 10_000);
    assert.equal(vm.status?.lastStop?.method, "Graceful");
    assert.equal(vm.status?.shutdownRequestedAt, undefined);
    assert.equal(lab.callsOf("compute.forceOff"), 0);
  });

  test("a guest that does not obey is asked again, then forced, and a restart of the server does not start the time anew", async (t) => {
    const lab = await VmLab.start(t, { guest: { shutdown: "ignores" } });
    await lab.createVm("web", { lifecycle: { gracefulShutdownTimeout: "30s" } });
    await lab.untilReady("web");
    const askedAtMs = lab.clock.now();
    await lab.patchVm("web", { spec: { powerState: "OffGraceful" } });
    await lab.untilReason("web", "ShuttingDown", 1_000);
    await lab.clock.advance(20_000);
    assert.ok(lab.callsOf("compute.requestShutdown") >= 2);
    await lab.restart();
    const vm = await lab.untilReason("web", "Stopped", 20_000);
    assert.equal(vm.status?.lastStop?.method, "Forced");
    const tookMs = lab.clock.now() - askedAtMs;
    assert.ok(tookMs >= 29_000 && tookMs <= 33_000, `${tookMs} ms`);
  });

  test("a restart stops and starts once, also across kill -9", async (t) => {
    const lab = await VmLab.start(t, { guest: { shutdownMs: 1_000 } });
    await lab.createVm("web");
    await lab.untilReady("web");
    const wish = "2026-01-02T03:04:05Z";
    await lab.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": wish } } });
    await lab.untilVm("web", "was asked", (vm) => vm.status?.shutdownRequestedAt !== undefined);
    await lab.restart();
    await lab.untilVm("web", "was restarted", (vm) => vm.status?.lastRestartRequest === wish);
    await lab.untilReady("web");
    await lab.clock.advance(60_000);
    assert.equal(lab.callsOf("compute.start"), 2);
    const vm = await lab.vm("web");
    assert.equal(vm?.status?.lastStop?.method, "Graceful");
  });

  test("a paused domain is not resumed behind its owner's back", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    await lab.untilReady("web");
    const domain = lab.sim.world.domains.get(metadata.uid ?? "");
    assert.ok(domain);
    lab.sim.world.setPower(domain, { power: "paused", reason: "ioerror", change: "paused" });
    const vm = await lab.untilReason("web", "PausedOnHost", 1_000);
    assert.match(vm.status?.message ?? "", /ioerror/);
    assert.equal(lab.callsOf("compute.start"), 1);
  });
});

describe("addresses", () => {
  test("a VM without an address is not Ready and says who is silent since when", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 90_000 } });
    await lab.createVm("web");
    const early = await lab.untilReason("web", "WaitingForAddress");
    assert.equal(early.status?.phase, "Running");
    await lab.untilVm("web", "names the silent", (vm) => /silent/.test(vm.status?.message ?? ""), 40_000);
    await lab.untilReady("web");
  });

  test("the lease of the last run does not pass for an address of the next", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 20_000 } });
    await lab.createVm("web");
    await lab.untilReady("web");
    await lab.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    await lab.untilVm("web", "was restarted", (vm) => vm.status?.lastRestartRequest === "now");
    const startedAtMs = lab.clock.now();
    await lab.untilReady("web");
    assert.ok(lab.clock.now() - startedAtMs > 15_000);
  });

  test("what is heard at the moment of a start is an echo of the last run", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 3_600_000 } });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "WaitingForAddress");
    const mac = (vm.status?.provider?.["applied"] as { macs: string[] } | undefined)?.macs[0] ?? "";
    lab.sim.setAddress(mac, { ip: "192.0.2.9", mac, source: "arp" });
    await lab.untilReady("web");
    lab.sim.fail("addresses.release", { code: "Internal" });
    await lab.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    await lab.untilVm("web", "was restarted", ({ status }) => status?.lastRestartRequest === "now");
    await lab.clock.advance(30_000);
    await lab.untilReason("web", "WaitingForAddress", 0);
    lab.sim.setAddress(mac, { ip: "192.0.2.9", mac, source: "lease" });
    await lab.untilReady("web");
  });

  test("what a DHCP server offered to the last run, heard seconds after the start, is no address of the next", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 3_600_000 } });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "WaitingForAddress");
    const mac = (vm.status?.provider?.["applied"] as { macs: string[] } | undefined)?.macs[0] ?? "";
    await lab.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    await lab.untilVm("web", "was restarted", ({ status }) => status?.lastRestartRequest === "now");
    await lab.clock.advance(2_000);
    lab.sim.setAddress(mac, { ip: "192.0.2.9", mac, source: "arp" });
    await lab.clock.advance(30_000);
    await lab.untilReason("web", "WaitingForAddress", 0);
    lab.sim.setAddress(mac, { ip: "192.0.2.9", mac, source: "lease" });
    await lab.untilReady("web");
  });
});

describe("a boot that hangs", () => {
  test("is cut short once when nothing at all was seen of it", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 3_600_000 } });
    const { metadata } = await lab.createVm("web");
    const uid = metadata.uid ?? "";
    await lab.untilReason("web", "WaitingForAddress");
    const domain = lab.sim.world.domains.get(uid);
    assert.ok(domain);
    domain.serialLog = "";
    domain.isHung = true;
    await lab.until("it is booted again", async () => domain.boots === 2, 200_000);
    domain.serialLog = "";
    await lab.clock.advance(600_000);
    assert.equal(domain.boots, 2);
    const { items } = await lab.client.list(Event);
    assert.equal(items.filter((event) => event.reason === "BootRetried").length, 1);
    assert.equal(items.filter((event) => event.reason === "StoppedUnexpectedly").length, 0);
  });

  test("is let be when it writes to its disk, though it says nothing", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 3_600_000 } });
    const { metadata } = await lab.createVm("web");
    await lab.untilReason("web", "WaitingForAddress");
    const domain = lab.sim.world.domains.get(metadata.uid ?? "");
    assert.ok(domain);
    domain.serialLog = "";
    await lab.clock.advance(600_000);
    assert.equal(domain.boots, 1);
  });

  test("is let be when the serial console said anything", async (t) => {
    const lab = await VmLab.start(t, { guest: { leaseMs: 3_600_000 } });
    await lab.createVm("web");
    await lab.untilReason("web", "WaitingForAddress");
    await lab.clock.advance(600_000);
    assert.equal(lab.callsOf("compute.start"), 1);
  });
});

describe("changes of the spec", () => {
  test("are named while the VM runs, and applied when it is next off", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await lab.patchVm("web", { spec: { resources: { cpu: 4 }, disks: [{ name: "data", sizeGiB: 1 }] } });
    const pending = await lab.untilVm(
      "web",
      "waits for a power cycle",
      (vm) => findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle")?.status === "True",
    );
    const condition = findCondition(pending.status?.conditions, "ReconfigurePendingPowerCycle");
    assert.match(
      condition?.message ?? "",
      /: cpu \(its class does not enable performanceProfile\.cpuHotAddEnabled\)\./,
    );
    assert.equal(pending.status?.currentResources?.cpu, 2);
    await lab.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    const vm = await lab.untilVm("web", "has 4 CPUs", ({ status }) => status?.currentResources?.cpu === 4);
    assert.equal(findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle")?.status, "False");
    assert.equal(lab.inventory().volumes.length, 3);
    assert.ok(vm.status?.lastReconfigureTime !== undefined);
  });

  test("a class that goes away does not disturb a VM, which is even started again after a crash", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    await lab.untilReady("web");
    await lab.client.delete(VMClass, { namespace: "default", name: "small" });
    await lab.clock.advance(1_000);
    lab.sim.stopFromOutside(metadata.uid ?? "", "crashed");
    await lab.untilVm("web", "has crashed", (vm) => vm.status?.lastStop?.method === "Crashed", 1_000);
    await lab.untilReady("web");
  });
});

describe("delete", () => {
  test("removes domain, volumes and leases, and nothing of others", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { disks: [{ name: "data", sizeGiB: 5 }] });
    await lab.createVm("other");
    await lab.untilReady("web");
    await lab.untilReady("other");
    await lab.deleteVm("web");
    await lab.untilGone("web");
    const { domains, volumes } = lab.inventory();
    assert.deepEqual(domains, ["other"]);
    assert.equal(volumes.length, 2);
    assert.equal(lab.sim.world.addresses.size, 1);
  });

  test("of a VM that was never made needs no hypervisor", async (t) => {
    const lab = await VmLab.start(t, { without: ["Provider"] });
    await lab.createVm("web");
    await lab.untilReason("web", "ProviderNotFound");
    await lab.deleteVm("web");
    await lab.untilGone("web");
  });

  test("waits for a hypervisor out of reach, and says so", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    lab.sim.disconnect();
    await lab.deleteVm("web");
    const vm = await lab.untilReason("web", "ProviderUnavailable");
    assert.equal(vm.status?.phase, "Deleting");
    lab.sim.reconnect();
    await lab.untilGone("web");
    assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
  });
});

describe("a hypervisor out of reach", () => {
  test("is no reason to make or remove anything; the last known state stays, Ready is Unknown", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    lab.sim.disconnect();
    const vm = await lab.untilReason("web", "ProviderUnavailable", 1_000);
    assert.equal(readyOf(vm)?.status, "Unknown");
    assert.equal(vm.status?.phase, "Running");
    assert.ok(vm.status?.nextAttemptTime !== undefined);
    assert.deepEqual(vm.status?.ips, ["192.168.122.10"]);
    const defines = lab.callsOf("compute.define");
    await lab.clock.advance(300_000);
    await lab.restart();
    await lab.clock.advance(60_000);
    lab.sim.reconnect();
    await lab.untilReady("web");
    assert.equal(lab.callsOf("compute.define"), defines);
    assert.equal(lab.callsOf("compute.start"), 1);
  });
});
