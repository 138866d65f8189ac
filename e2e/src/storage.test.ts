// Pools and volumes on a real host, and disks of a guest that runs: plugged in, grown, limited and let go while the guest looks on.

import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type StoragePool, type VirtualMachine, type Volume } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const group = "vivarium.dev/v1alpha1";
const images = "/var/lib/libvirt/images";
const folder = join(images, "e2e-fast");
const smallFolder = join(images, "e2e-small");
const mib = 2 ** 20;

function pool(name: string, spec: string): string {
  return `
apiVersion: ${group}
kind: StoragePool
metadata: {name: ${name}}
spec: {providerRef: {name: local}, ${spec}}
`;
}

function volume(name: string, spec = "size: 64Mi"): string {
  return `
apiVersion: ${group}
kind: Volume
metadata: {name: ${name}}
spec: {poolRef: {name: fast}, ${spec}}
`;
}

/** Bytes that are no zeros and pass for a disk: with the signature of a boot sector. */
function diskImage(bytes: number): Buffer {
  const image = Buffer.alloc(bytes, 7);
  image.set([0x55, 0xaa], 510);
  return image;
}

interface GuestDisk {
  readonly name: string;
  readonly bytes: number;
  readonly serial: string;
}

describe("storage", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const vm = async () => server.get<VirtualMachine>("vm", "web");
  const conditionOf = async (kind: "pool" | "vol" | "vm", name: string, type = "Ready") => {
    const object = await server.get<StoragePool | Volume | VirtualMachine>(kind, name);
    return findCondition(object?.status?.conditions, type);
  };
  const untilReason = (kind: "pool" | "vol" | "vm", name: string, reason: string, type = "Ready") =>
    eventually(
      `${kind} ${name} has ${type} for ${reason}`,
      async () => {
        const condition = await conditionOf(kind, name, type);
        return condition?.reason === reason ? condition : undefined;
      },
      { timeoutMs: 60_000 },
    );
  const setDisks = async (disks: string): Promise<void> => {
    const patched = await server.kubectl([
      "patch",
      "vm",
      "web",
      "--type",
      "merge",
      "-p",
      `{"spec":{"disks":${disks}}}`,
    ]);
    assert.equal(patched.code, 0, patched.stderr);
  };
  /** Asked of the guest itself. */
  const guestDisks = async (): Promise<readonly GuestDisk[]> => {
    const ip = (await vm())?.status?.ips?.[0] ?? "";
    const answer = await fetch(`http://${ip}/cgi-bin/disks`, { signal: AbortSignal.timeout(10_000) });
    return (await answer.text())
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", sectors = "", serial = ""] = line.replaceAll("\0", "").split(" ");
        return { name, bytes: Number(sectors) * 512, serial };
      });
  };
  const untilGuest = (what: string, isSo: (disks: readonly GuestDisk[]) => boolean) =>
    eventually(
      `the guest sees ${what}`,
      async () => {
        const disks = await guestDisks();
        return isSo(disks) ? disks : undefined;
      },
      { timeoutMs: 30_000 },
    );
  const files = async (): Promise<readonly string[]> => readdir(folder).catch(() => []);

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await run("umount", [smallFolder]);
    await libvirt[Symbol.asyncDispose]();
  });

  test("a pool is made; what this host cannot do is Unsupported by name, and nothing was touched", async () => {
    await server.apply(pool("fast", `create: {type: dir, path: ${folder}}`));
    await untilReason("pool", "fast", "Ready");
    const seen = await server.get<StoragePool>("pool", "fast");
    assert.ok((seen?.status?.capacityBytes ?? 0) > 0);
    const table = await server.viv(["get", "pools"]);
    assert.match(table.stdout, /fast\s+Ready\s+dir/);
    await server.apply(pool("nowhere", "create: {type: dir}"));
    const invalid = await untilReason("pool", "nowhere", "InvalidSpec");
    assert.match(invalid.message, /spec\.create\.path/);
    await server.apply(pool("vz", "create: {type: vstorage, path: /srv/vz, source: {name: vz}}"));
    await untilReason("pool", "vz", "Unsupported");
    assert.doesNotMatch((await run("virsh", ["-q", "pool-list", "--all", "--name"])).stdout, /nowhere|vz/);
    await server.kubectl(["delete", "pool", "nowhere", "vz", "--wait", "--timeout=30s"]);
  });

  test("a logical pool is Unsupported where the kernel has no device-mapper", async (context) => {
    const misc = await run("grep", ["-c", "device-mapper", "/proc/misc"]);
    if (misc.code === 0) {
      context.skip("this kernel has device-mapper");
      return;
    }
    await server.apply(pool("lvm", "create: {type: logical, source: {name: vg0, devices: [/dev/nowhere]}}"));
    const refused = await untilReason("pool", "lvm", "Unsupported");
    assert.match(refused.message, /device-mapper/);
    await server.kubectl(["delete", "pool", "lvm", "--wait", "--timeout=30s"]);
  });

  test("volumes are made: empty, preallocated, copied, linked", async () => {
    await server.apply(volume("data"));
    await server.apply(volume("full", "size: 8Mi, format: raw, preallocation: full"));
    await server.apply(volume("copy", "source: {volumeRef: {name: full}}, format: raw"));
    await server.apply(volume("linked", "source: {volumeRef: {name: full}, method: linked}"));
    for (const name of ["data", "full", "copy", "linked"]) await untilReason("vol", name, "Ready");
    const full = await server.get<Volume>("vol", "full");
    assert.equal(full?.status?.capacityBytes, 8 * mib);
    assert.ok((full.status.allocationBytes ?? 0) >= 8 * mib);
    await eventually("the source says who backs onto it", async () =>
      (await server.get<Volume>("vol", "full"))?.status?.usedBy?.join() === "Volume/linked" ? true : undefined,
    );
    assert.equal((await files()).length, 4);
    await server.kubectl(["delete", "vol", "full", "--wait=false"]);
    const held = await untilReason("vol", "full", "InUse");
    assert.match(held.message, /Volume\/linked/);
    const gone = await server.kubectl(["delete", "vol", "linked", "copy", "--wait", "--timeout=30s"]);
    assert.equal(gone.code, 0, gone.stderr);
    await eventually("it goes", async () => ((await server.get("vol", "full")) === undefined ? true : undefined));
    assert.equal((await files()).length, 1);
  });

  test("a volume is plugged into a running guest, which sees it by its serial number", async () => {
    await server.apply(tinyVm("web"));
    await untilReason("vm", "web", "Running");
    const startedAt = (await vm())?.status?.startedAt;
    const before = await guestDisks();
    await setDisks('[{"name":"data","volumeRef":{"name":"data"},"limits":{"totalIops":500}}]');
    const disks = await untilGuest("a third disk", (seen) => seen.length === before.length + 1);
    assert.equal(disks.find(({ serial }) => serial === "data")?.bytes, 64 * mib);
    await untilReason("vm", "web", "AsDeclared", "DisksAttached");
    const seen = await vm();
    assert.equal(seen?.status?.startedAt, startedAt);
    assert.equal(findCondition(seen?.status?.conditions, "ReconfigurePendingPowerCycle")?.status, "False");
    await eventually("the volume says who uses it", async () =>
      (await server.get<Volume>("vol", "data"))?.status?.usedBy?.includes("VirtualMachine/web") ? true : undefined,
    );
  });

  test("a disk of the VM's own is plugged in on the SCSI bus", async () => {
    await setDisks(
      '[{"name":"data","volumeRef":{"name":"data"},"limits":{"totalIops":500}},{"name":"own","sizeGiB":1,"bus":"scsi"}]',
    );
    const disks = await untilGuest("sda", (seen) => seen.some(({ name }) => name === "sda"));
    assert.equal(disks.find(({ name }) => name === "sda")?.bytes, 1024 * mib);
  });

  test("limits are changed live, and lifted", async () => {
    const target = (await vm())?.status?.disks?.find(({ name }) => name === "data")?.target ?? "";
    const limits = async () => (await run("virsh", ["-q", "blkdeviotune", "web", target])).stdout;
    assert.match(await limits(), /total_iops_sec\s*: 500/);
    await setDisks(
      '[{"name":"data","volumeRef":{"name":"data"},"limits":{"readIops":50,"writeBytes":"1Mi"}},{"name":"own","sizeGiB":1,"bus":"scsi"}]',
    );
    await eventually("new limits", async () => {
      const now = await limits();
      const isSo = /read_iops_sec\s*: 50\b/.test(now) && /write_bytes_sec\s*: 1048576\b/.test(now);
      return isSo && /total_iops_sec\s*: 0\b/.test(now) ? true : undefined;
    });
    await setDisks('[{"name":"data","volumeRef":{"name":"data"}},{"name":"own","sizeGiB":1,"bus":"scsi"}]');
    await eventually("no limits", async () => (/read_iops_sec\s*: 0\b/.test(await limits()) ? true : undefined));
  });

  test("a volume and a disk of the VM's own grow under the running guest; shrinking is refused", async () => {
    await server.kubectl(["patch", "vol", "data", "--type", "merge", "-p", '{"spec":{"size":"128Mi"}}']);
    await untilGuest("the larger volume", (seen) => seen.find(({ serial }) => serial === "data")?.bytes === 128 * mib);
    await setDisks(
      '[{"name":"data","volumeRef":{"name":"data"}},{"name":"own","sizeGiB":2,"bus":"scsi","expandPolicy":"Online"}]',
    );
    await eventually("the file is larger", async () =>
      /Capacity:\s+2147483648/.test((await run("virsh", ["domblkinfo", "web", "sda"])).stdout) ? true : undefined,
    );
    await server.kubectl(["patch", "vol", "data", "--type", "merge", "-p", '{"spec":{"size":"32Mi"}}']);
    await untilReason("vol", "data", "ShrinkRefused", "Resized");
    await server.kubectl(["patch", "vol", "data", "--type", "merge", "-p", '{"spec":{"size":"128Mi"}}']);
  });

  test("a volume in use is not deleted, and is once the guest has let go of it", async () => {
    await server.kubectl(["delete", "vol", "data", "--wait=false"]);
    const held = await untilReason("vol", "data", "InUse");
    assert.match(held.message, /VirtualMachine\/web/);
    assert.equal((await files()).length, 1);
    await setDisks("[]");
    await untilGuest("neither", (seen) => !seen.some(({ name, serial }) => name === "sda" || serial === "data"));
    await untilReason("vm", "web", "AsDeclared", "DisksAttached");
    await eventually("the volume goes", async () =>
      (await server.get("vol", "data")) === undefined ? true : undefined,
    );
    assert.deepEqual(await files(), []);
    const reasons = await server.kubectl(["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    for (const reason of ["DiskAttached", "DiskDetaching", "DiskGrown"])
      assert.match(reasons.stdout, new RegExp(reason));
  });

  test("a disk keeps its place over a restart, whatever went beside it", async () => {
    await server.apply(volume("a"));
    await server.apply(volume("b"));
    for (const name of ["a", "b"]) await untilReason("vol", name, "Ready");
    await setDisks('[{"name":"a","volumeRef":{"name":"a"}},{"name":"b","volumeRef":{"name":"b"}}]');
    await eventually("both are there", async () => ((await vm())?.status?.disks?.length === 3 ? true : undefined));
    const target = (await vm())?.status?.disks?.find(({ name }) => name === "b")?.target;
    await setDisks('[{"name":"b","volumeRef":{"name":"b"}}]');
    await eventually("a goes", async () => ((await vm())?.status?.disks?.length === 2 ? true : undefined));
    const restarted = await server.viv(["restart", "web", "--timeout", "90s"], { timeoutMs: 100_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    assert.equal((await vm())?.status?.disks?.find(({ name }) => name === "b")?.target, target);
    await untilReason("vm", "web", "Running");
    const disks = await guestDisks();
    assert.ok(disks.some(({ serial }) => serial === "b"));
    assert.ok(!disks.some(({ serial }) => serial === "a"));
  });

  test("a volume that virsh removed is Lost, and not made again", async () => {
    const name = (await server.get<Volume>("vol", "a"))?.status?.volume ?? "";
    await meddle("vol-delete", name, "--pool", "fast");
    const lost = await untilReason("vol", "a", "VolumeLost");
    assert.match(lost.message, /not replaced/);
    assert.equal((await files()).length, 1);
    const gone = await server.kubectl(["delete", "vol", "a", "--wait", "--timeout=30s"]);
    assert.equal(gone.code, 0, gone.stderr);
  });

  for (const step of ["RecordCreating", "Create", "RecordCreated", "Remove"]) {
    for (const phase of ["start", "done"]) {
      test(`kill -9 at ${step} ${phase} leaves one volume, then none`, async () => {
        const before = (await files()).length;
        const killed = server.killAt({ controller: "volume", object: "default/killed", step, phase });
        await server.kubectl(["apply", "-f", "-"], { input: volume("killed", "size: 16Mi, preallocation: full") });
        if (step === "Remove") {
          await untilReason("vol", "killed", "Ready");
          await server.kubectl(["delete", "vol", "killed", "--wait=false"]);
        }
        await killed;
        await server.start();
        if (step !== "Remove") {
          await untilReason("vol", "killed", "Ready");
          assert.equal((await files()).length, before + 1);
          await server.kubectl(["delete", "vol", "killed", "--wait=false"]);
        }
        await eventually("it is gone", async () =>
          (await server.get("vol", "killed")) === undefined ? true : undefined,
        );
        assert.equal((await files()).length, before);
      });
    }
  }

  test("a pool that is full during an upload is told, leaves nothing, and heals when there is room", async () => {
    await mkdir(smallFolder, { recursive: true });
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", smallFolder]);
    assert.equal(mounted.code, 0, mounted.stderr);
    const file = join(server.stateDirectory, "big.raw");
    await writeFile(file, diskImage(48 * mib));
    await server.apply(
      pool("small", `create: {type: dir, path: ${smallFolder}}, policy: {overcommitPercent: 10000, minFreePercent: 0}`),
    );
    await untilReason("pool", "small", "Ready");
    await server.apply(`
apiVersion: ${group}
kind: Volume
metadata: {name: big}
spec: {poolRef: {name: small}, format: raw, source: {url: "file://${file}"}}
`);
    const full = await untilReason("vol", "big", "PoolFull");
    assert.match(full.message, /free/);
    await run("mount", ["-o", "remount,size=128m", smallFolder]);
    await untilReason("vol", "big", "Ready");
    assert.equal((await server.get<Volume>("vol", "big"))?.status?.capacityBytes, 48 * mib);
    assert.equal((await readdir(smallFolder)).length, 1);
    const gone = await server.kubectl(["delete", "vol", "big", "--wait", "--timeout=30s"]);
    assert.equal(gone.code, 0, gone.stderr);
    await server.kubectl(["delete", "pool", "small", "--wait", "--timeout=30s"]);
  });

  test("a pool that virsh stopped is started again within seconds; a file that appears in it is counted", async () => {
    await meddle("pool-destroy", "fast");
    await eventually(
      "it is active again",
      async () => ((await run("virsh", ["-q", "pool-list", "--name"])).stdout.includes("fast") ? true : undefined),
      { timeoutMs: 5_000 },
    );
    const count = async () => (await server.get<StoragePool>("pool", "fast"))?.status?.volumes ?? 0;
    await eventually("its volumes are counted", async () => ((await count()) === 1 ? true : undefined));
    await meddle("vol-create-as", "fast", "theirs.raw", "1M");
    await meddle("pool-refresh", "fast");
    await eventually("two volumes", async () => ((await count()) === 2 ? true : undefined), { timeoutMs: 5_000 });
    await meddle("vol-delete", "theirs.raw", "--pool", "fast");
  });

  test("the guard refuses what the pool's policy does not allow", async () => {
    await server.kubectl([
      "patch",
      "pool",
      "fast",
      "--type",
      "merge",
      "-p",
      '{"spec":{"policy":{"minFreePercent":99}}}',
    ]);
    await untilReason("pool", "fast", "CapacityLow", "CapacityLow");
    await server.apply(volume("refused"));
    const refused = await untilReason("vol", "refused", "PoolFull");
    assert.match(refused.message, /99 %/);
    await server.kubectl([
      "patch",
      "pool",
      "fast",
      "--type",
      "merge",
      "-p",
      '{"spec":{"policy":{"minFreePercent":1}}}',
    ]);
    await untilReason("vol", "refused", "Ready");
    await server.kubectl(["delete", "vol", "refused", "--wait", "--timeout=30s"]);
  });

  test("an adopted pool is let go of and stays; a made one goes when it is empty", async () => {
    await server.apply(pool("theirs", "adopt: {name: vivarium}"));
    await untilReason("pool", "theirs", "Ready");
    await server.kubectl(["delete", "pool", "theirs", "--wait", "--timeout=30s"]);
    assert.match((await run("virsh", ["-q", "pool-list", "--name"])).stdout, /vivarium/);
    await server.kubectl(["delete", "pool", "fast", "--wait=false"]);
    await untilReason("pool", "fast", "InUse");
    await server.kubectl(["delete", "vm", "web", "--wait", "--timeout=60s"], { timeoutMs: 70_000 });
    await server.kubectl(["delete", "vol", "b", "--wait", "--timeout=30s"]);
    await eventually(
      "the pool goes",
      async () => ((await server.get("pool", "fast")) === undefined ? true : undefined),
      {
        timeoutMs: 60_000,
      },
    );
    assert.doesNotMatch((await run("virsh", ["-q", "pool-list", "--all", "--name"])).stdout, /fast/);
    assert.deepEqual(await readdir(images).then((names) => names.filter((name) => name === "e2e-fast")), []);
  });
});
