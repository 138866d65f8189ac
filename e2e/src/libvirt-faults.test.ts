// The hypervisor goes away and comes back: guests go on running, status says what is known, and recovers by itself.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findCondition, type Provider, type VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestPid, inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;

describe("libvirtd goes away", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const readyOf = async (name: string) =>
    findCondition((await server.get<VirtualMachine>("vm", name))?.status?.conditions ?? [], "Ready");
  const providerHealthy = async (wanted: boolean) => {
    const provider = await server.get<Provider>("provider", "local");
    return provider?.status?.healthy === wanted ? provider : undefined;
  };
  const qemuPid = () => guestPid("web");

  before(async () => {
    server = await VivServer.create();
    await server.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a provider that is down at the start says so, and the VM waits and comes up when it appears", async () => {
    await server.apply(await tinyBase());
    await server.apply(tinyVm("web"));
    const down = await eventually("the provider is unhealthy", () => providerHealthy(false), { timeoutMs: 60_000 });
    const ready = findCondition(down.status?.conditions ?? [], "Ready");
    assert.match(ready?.message ?? "", /libvirt-sock/);
    const vmReady = await eventually("the VM says why", async () => {
      const found = await readyOf("web");
      return found?.reason === "ProviderUnavailable" ? found : undefined;
    });
    assert.notEqual(vmReady.status, "True");
    await libvirt.start();
    await eventually("the provider is healthy", () => providerHealthy(true), { timeoutMs: 60_000 });
    await eventually("the VM is Ready", async () => ((await readyOf("web"))?.status === "True" ? true : undefined), {
      timeoutMs: 90_000,
    });
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`libvirtd ended by ${signal} under a running VM: the guest goes on, and status recovers by itself`, async () => {
      const pid = await qemuPid();
      assert.notEqual(pid, undefined);
      await libvirt.kill(signal);
      await eventually("the provider is unhealthy", () => providerHealthy(false), { timeoutMs: 60_000 });
      await eventually("the VM's Ready is unknown", async () =>
        (await readyOf("web"))?.status === "Unknown" ? true : undefined,
      );
      await libvirt.start();
      await eventually(
        "the VM is Ready again",
        async () => ((await readyOf("web"))?.status === "True" ? true : undefined),
        { timeoutMs: 60_000 },
      );
      assert.equal(await qemuPid(), pid, "the guest was started anew");
      assert.deepEqual((await inventory()).domains, ["web"]);
    });
  }

  test("events come back after the daemon did: a stop is seen at once", async () => {
    await run("virsh", ["destroy", "web"]);
    await eventually(
      "Stopped or already started again is seen",
      async () =>
        (await server.get<VirtualMachine>("vm", "web"))?.status?.lastStop?.method === "External" ? true : undefined,
      { timeoutMs: 2000, everyMs: 20 },
    );
  });

  test("a delete while the provider is down waits, and is done when it is back", async () => {
    await libvirt.kill();
    await server.kubectl(["delete", "vm", "web", "--wait=false"]);
    await eventually("the VM says what it waits for", async () =>
      (await server.get<VirtualMachine>("vm", "web"))?.status?.phase === "Deleting" ? true : undefined,
    );
    await libvirt.start();
    await eventually("the VM is gone", async () => ((await server.get("vm", "web")) === undefined ? true : undefined), {
      timeoutMs: 60_000,
    });
    assert.deepEqual(await inventory(), { domains: [], running: [], files: [] });
  });
});
