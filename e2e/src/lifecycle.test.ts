// One VM from manifest to nothing: made, reached, stopped in every way, restarted, healed, deleted. Real libvirtd, real guest, real kubectl.

import { spawn } from "node:child_process";
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { inventory, leasedMacs, meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { kubectlPath } from "./support/kubectl.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;

describe("the life of one VM", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const vm = () => server.get<VirtualMachine>("vm", "web");
  const phase = async (wanted: string) => {
    const found = await vm();
    return found?.status?.phase === wanted ? found : undefined;
  };
  const setPower = (state: string) =>
    server.kubectl(["patch", "vm", "web", "--type", "merge", "-p", `{"spec":{"powerState":"${state}"}}`]);

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("an applied VM becomes Ready with an address that answers", async () => {
    await server.apply(tinyVm("web"));
    const waited = await server.kubectl(["wait", "--for=condition=Ready", "vm/web", "--timeout=90s"], {
      timeoutMs: 100_000,
    });
    assert.equal(waited.code, 0, waited.stderr);
    const found = await vm();
    assert.equal(found?.status?.phase, "Running");
    const ip = found?.status?.ips?.[0] ?? "";
    assert.match(ip, /^192\.168\.122\.\d+$/);
    const answer = await fetch(`http://${ip}/`, { signal: AbortSignal.timeout(10_000) });
    assert.equal(await answer.text(), "tiny\n");
    assert.equal((await inventory()).running.join(), "web");
  });

  test("the domain carries the VM's uid, and the disk is a clone that backs onto the image", async () => {
    const uid = (await vm())?.metadata.uid ?? "";
    const xml = await run("virsh", ["dumpxml", "web"]);
    assert.ok(xml.stdout.includes(`<uuid>${uid}</uuid>`));
    const { files } = await inventory();
    assert.equal(files.filter((file) => file.endsWith(".qcow2")).length, 1);
    assert.equal(files.filter((file) => file.endsWith(".iso")).length, 1);
    assert.ok(
      files.every((file) => file.startsWith(`web.${uid.slice(0, 8)}.`)),
      files.join(),
    );
  });

  test("kubectl get shows phase and address; describe shows Events and why it is Ready", async () => {
    const table = await server.kubectl(["get", "vm", "web"]);
    assert.match(
      table.stdout,
      /^NAME\s+PHASE\s+PROVIDER\s+CLASS\s+IMAGE\s+IPS\s+AGE\s*\nweb\s+Running\s+local\s+tiny\s+tiny\s+192\.168\.122\.\d+\s+\d+/,
    );
    const described = await server.kubectl(["describe", "vm", "web"]);
    assert.match(described.stdout, /Events:/);
    assert.match(described.stdout, /Started/);
  });

  test("virsh destroy shows in kubectl get -w at once, and the VM is started again", async () => {
    const watch = spawn(await kubectlPath(), ["get", "vm", "web", "-w", "-o", 'jsonpath={.status.phase}{"\\n"}'], {
      env: { ...process.env, KUBECONFIG: server.kubeconfig },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const seen: { phase: string; at: number }[] = [];
      createInterface({ input: watch.stdout }).on("line", (line) => seen.push({ phase: line, at: Date.now() }));
      await eventually("the watch shows the VM", async () => seen.find((row) => row.phase === "Running"));
      await meddle("destroy", "web");
      const destroyedAt = Date.now();
      const stopped = await eventually(
        "the watch shows Stopped",
        async () => seen.find((row) => row.phase === "Stopped"),
        {
          everyMs: 10,
        },
      );
      // By libvirt's event; the controller's own look at all domains would come much later.
      assert.ok(stopped.at - destroyedAt < 5000, `took ${stopped.at - destroyedAt} ms`);
      assert.equal((await vm())?.status?.lastStop?.method, "External");
      await eventually("it runs again", async () => ((await inventory()).running.includes("web") ? true : undefined));
      await eventually("the watch shows Running again", async () =>
        seen.slice(seen.indexOf(stopped)).find((row) => row.phase === "Running"),
      );
    } finally {
      watch.kill();
    }
  });

  test("a guest that powers itself off is reported as stopped by the guest, and started again", async () => {
    await eventually("Ready again", async () => ((await vm())?.status?.ips?.length === 1 ? true : undefined), {
      timeoutMs: 90_000,
    });
    await meddle("shutdown", "web", "--mode", "acpi");
    const stopped = await eventually("Stopped", () => phase("Stopped"), { everyMs: 20 });
    assert.equal(stopped.status?.lastStop?.method, "Guest");
    await eventually("it runs again", () => phase("Running"), { timeoutMs: 60_000 });
  });

  test("OffGraceful shuts the guest down and says that it went gracefully", async () => {
    await eventually("up", async () => ((await vm())?.status?.ips?.length === 1 ? true : undefined), {
      timeoutMs: 90_000,
    });
    await setPower("OffGraceful");
    const stopped = await eventually("Stopped", () => phase("Stopped"), { timeoutMs: 60_000 });
    assert.equal(stopped.status?.lastStop?.method, "Graceful");
    assert.deepEqual((await inventory()).running, []);
  });

  test("viv start brings it back, and a VM that is declared Off stays off", async () => {
    const started = await server.viv(["start", "web", "--timeout", "90s"], { timeoutMs: 100_000 });
    assert.equal(started.code, 0, started.stderr);
    assert.deepEqual((await inventory()).running, ["web"]);
    await setPower("Off");
    const stopped = await eventually("Stopped", () => phase("Stopped"));
    assert.equal(stopped.status?.lastStop?.method, "Forced");
  });

  test("a guest that ignores the shutdown is forced off after its time-out, and status says so", async () => {
    const patch = '{"spec":{"powerState":"On","lifecycle":{"gracefulShutdownTimeout":"3s"}}}';
    await server.kubectl(["patch", "vm", "web", "--type", "merge", "-p", patch]);
    await eventually("running", async () => ((await inventory()).running.includes("web") ? true : undefined));
    // In the first moments of its boot the guest has nobody who listens to the power button.
    await setPower("OffGraceful");
    const stopped = await eventually("Stopped", () => phase("Stopped"), { timeoutMs: 30_000 });
    assert.equal(stopped.status?.lastStop?.method, "Forced");
  });

  test("viv restart boots the guest anew", async () => {
    assert.equal((await server.viv(["start", "web", "--timeout", "90s"], { timeoutMs: 100_000 })).code, 0);
    const before = (await vm())?.status?.startedAt;
    const restarted = await server.viv(["restart", "web", "--timeout", "90s"], { timeoutMs: 100_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    assert.notEqual((await vm())?.status?.startedAt, before);
    await eventually(
      "it has an address again",
      async () => ((await vm())?.status?.ips?.length === 1 ? true : undefined),
      {
        timeoutMs: 90_000,
      },
    );
  });

  test("viv logs shows what the serial console printed", async () => {
    const logs = await server.viv(["logs", "web"]);
    assert.match(logs.stdout, /TINY-UP/);
  });

  test("delete removes domain, disks, seed, log and lease, and the image stays", async () => {
    const mac = /<mac address='([^']+)'/.exec((await run("virsh", ["dumpxml", "web"])).stdout)?.[1] ?? "";
    await eventually("it has a lease", async () => ((await leasedMacs()).includes(mac) ? true : undefined));
    const deleted = await server.kubectl(["delete", "vm", "web", "--wait", "--timeout=60s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.deepEqual(await inventory(), { domains: [], running: [], files: [] });
    assert.ok(!(await leasedMacs()).includes(mac), `a lease of ${mac} is left`);
    assert.equal(await vm(), undefined);
  });
});
