// From the command to an SSH login, without KVM: a declared VM, the same image started by raw QEMU and by virt-install, and virt-install with an
// image of the same packages that is not tuned. In turn, in one run.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { VirtualMachine, VMImage } from "@vivarium/api";
import { type Client, createClientFromKubeconfig } from "@vivarium/client";
import { eventually, repository, type VivServer } from "@vivarium/e2e";
import { buildSeed, makeBootableDisk } from "@vivarium/images";
import { summarize } from "./summary.ts";
import { withServer } from "./with-server.ts";

const execute = promisify(execFile);
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const prefix = "bench-ssh";
const user = "debian";
const deadlineMs = 180_000;
const group = "infra.virtrigaud.io/v1beta1";

interface Guest {
  readonly name: string;
  readonly image: string;
  readonly key: string;
  readonly publicKey: string;
  readonly scratch: string;
}

export async function timeToSsh(): Promise<unknown> {
  // Guests run as another user and must be able to read what lies here.
  const scratch = await mkdtemp(join(tmpdir(), "viv-bench-"));
  await execute("chmod", ["711", scratch]);
  const key = join(scratch, "id");
  await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const publicKey = (await readFile(`${key}.pub`, "utf8")).trim();
  try {
    return await withServer((server) => compare(server, { scratch, key, publicKey }));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function compare(
  server: VivServer,
  { scratch, key, publicKey }: Pick<Guest, "scratch" | "key" | "publicKey">,
): Promise<unknown> {
  await server.start();
  const { client } = await createClientFromKubeconfig({ path: server.kubeconfig });
  await server.apply(base(publicKey));
  // The first VM has the image built; it is not counted.
  await declared(client, { name: `${prefix}-warm`, key });
  const digest = (await client.get(VMImage, { namespace: "default", name: "bench" })).status?.digest ?? "";
  const tuned = join(server.stateDirectory, "images", "blobs", "sha256", `${digest.replace("sha256:", "")}.qcow2`);
  const untuned = await untunedImage();
  const times: Record<string, number[]> = { declared: [], rawQemu: [], virtInstall: [], virtInstallUntuned: [] };
  for (let round = 0; round < rounds; round++) {
    const guest = (label: string, image: string): Guest => ({
      name: `${prefix}-${label}-${round}`,
      image,
      key,
      publicKey,
      scratch,
    });
    times["rawQemu"]?.push(await rawQemu(guest("raw", tuned)));
    times["declared"]?.push(await declared(client, { name: `${prefix}-${round}`, key }));
    times["virtInstall"]?.push(await virtInstall(guest("vi", tuned)));
    times["virtInstallUntuned"]?.push(await virtInstall(guest("viu", untuned)));
  }
  const summaries = Object.fromEntries(Object.entries(times).map(([label, values]) => [label, summarize(values)]));
  const p50 = (label: string) => summaries[label]?.p50 ?? Number.NaN;
  return {
    unit: "s",
    ...summaries,
    declaredToRawQemu: p50("declared") / p50("rawQemu"),
    declaredToVirtInstallUntuned: p50("declared") / p50("virtInstallUntuned"),
  };
}

function base(publicKey: string): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: {name: vivarium-ssh-keys, namespace: vivarium-system}
data: {bench: "${publicKey}"}
---
apiVersion: ${group}
kind: Provider
metadata: {name: local}
spec: {type: libvirt, endpoint: "qemu:///system"}
---
apiVersion: ${group}
kind: VMClass
metadata: {name: small}
spec: {cpu: 2, memory: 1Gi, diskDefaults: {size: 3Gi}}
---
apiVersion: ${group}
kind: VMImage
metadata: {name: bench}
spec: {source: {debootstrap: {}}}
`;
}

async function declared(
  client: Client,
  { name, key }: { readonly name: string; readonly key: string },
): Promise<number> {
  const object = { namespace: "default", name };
  const from = performance.now();
  await client.create(VirtualMachine, {
    apiVersion: group,
    kind: "VirtualMachine",
    metadata: object,
    spec: { providerRef: { name: "local" }, classRef: { name: "small" }, imageRef: { name: "bench" } },
  });
  const ip = await eventually("an address", async () => (await client.get(VirtualMachine, object)).status?.ips?.[0], {
    timeoutMs: 600_000,
    everyMs: 100,
  });
  await sshLogin(ip, { key });
  const took = (performance.now() - from) / 1000;
  await client.delete(VirtualMachine, object);
  await eventually("gone", async () => {
    const { items } = await client.list(VirtualMachine, { namespace: "default" });
    return items.some((item) => item.metadata.name === name) ? undefined : true;
  });
  return took;
}

async function rawQemu(guest: Guest): Promise<number> {
  const { overlay, seed } = await disks(guest);
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const from = performance.now();
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-M", "q35", "-accel", "tcg", "-cpu", "qemu64", "-smp", "2", "-m", "1024"],
      ...["-display", "none", "-monitor", "none", "-serial", `file:${join(guest.scratch, `${guest.name}.log`)}`],
      ...["-drive", `file=${overlay},if=virtio,format=qcow2,cache=writeback,discard=unmap`],
      ...["-drive", `file=${seed},if=virtio,format=raw,readonly=on`],
      ...[
        "-netdev",
        `user,id=net0,hostfwd=tcp:127.0.0.1:${port}-:22`,
        "-device",
        "virtio-net-pci,netdev=net0,romfile=",
      ],
      ...["-device", "virtio-rng-pci"],
    ],
    { stdio: "ignore" },
  );
  const exited = once(qemu, "exit");
  try {
    const ended = exited.then(() => {
      throw new Error("QEMU ended before the login");
    });
    await Promise.race([sshLogin("127.0.0.1", { key: guest.key, port }), ended]);
    return (performance.now() - from) / 1000;
  } finally {
    qemu.kill();
    await exited;
  }
}

async function virtInstall(guest: Guest): Promise<number> {
  const { overlay, seed } = await disks(guest);
  const from = performance.now();
  try {
    await execute("virt-install", [
      ...["--connect", "qemu:///system", "--name", guest.name, "--memory", "1024", "--vcpus", "2", "--import"],
      ...["--virt-type", "qemu", "--osinfo", "debian11", "--graphics", "none", "--noautoconsole"],
      ...["--disk", `${overlay},bus=virtio`, "--disk", `${seed},bus=virtio,readonly=on`],
      ...["--network", "network=default,model=virtio"],
    ]);
    const { stdout } = await execute("virsh", ["-c", "qemu:///system", "domiflist", guest.name]);
    const mac = /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(stdout)?.[0] ?? "";
    const ip = await eventually(
      "a lease",
      async () => {
        const leases = await execute("virsh", ["-c", "qemu:///system", "net-dhcp-leases", "default", "--mac", mac]);
        return /(\d+\.){3}\d+/.exec(leases.stdout)?.[0];
      },
      { timeoutMs: deadlineMs, everyMs: 200 },
    );
    await sshLogin(ip, { key: guest.key });
    return (performance.now() - from) / 1000;
  } finally {
    await execute("virsh", ["-c", "qemu:///system", "destroy", guest.name]).catch(() => undefined);
    await execute("virsh", ["-c", "qemu:///system", "undefine", guest.name]).catch(() => undefined);
  }
}

async function disks(guest: Guest): Promise<{ readonly overlay: string; readonly seed: string }> {
  const overlay = join(guest.scratch, `${guest.name}.qcow2`);
  const seed = join(guest.scratch, `${guest.name}.iso`);
  // Copied, since the guest's user may not look into the cache.
  const image = join(guest.scratch, guest.image.split("/").at(-1) ?? "image.qcow2");
  if (!existsSync(image)) await execute("cp", ["--sparse=always", guest.image, image]);
  await execute("qemu-img", ["create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", overlay]);
  const iso = buildSeed({
    userData: "#cloud-config\n",
    metaData: { instanceId: guest.name, localHostname: guest.name, publicKeys: [guest.publicKey] },
  });
  await writeFile(seed, iso);
  return { overlay, seed };
}

/** Asks again and again with short time-outs: an early connection that is held back would otherwise cost seconds. */
async function sshLogin(
  host: string,
  { key, port = 22 }: { readonly key: string; readonly port?: number },
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  const options = ["-F", "none", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
  const quiet = ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-p", String(port)];
  for (;;) {
    if (await hasBanner(host, port)) {
      const done = await execute("ssh", [...options, ...quiet, `${user}@${host}`, "true"]).then(
        () => true,
        () => false,
      );
      if (done) return;
    }
    if (performance.now() > deadline) throw new Error(`no SSH login at ${host}:${port} within ${deadlineMs} ms`);
    await delay(100);
  }
}

/** A forwarded port accepts before the guest does, so the greeting counts and not the connection; sshd takes a second for it here. */
function hasBanner(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port });
  socket.setTimeout(2000, () => socket.destroy());
  socket.on("error", () => resolve(false));
  socket.on("close", () => resolve(false));
  socket.on("data", (chunk) => {
    resolve(chunk.toString("latin1").startsWith("SSH"));
    socket.destroy();
  });
  return promise;
}

/** The same packages as a plain bootstrap leaves them: Debian's own initramfs, units and cloud-init configuration. */
async function untunedImage(): Promise<string> {
  const target = join(repository, ".cache", "bench", "untuned.qcow2");
  if (existsSync(target)) return target;
  await mkdir(join(repository, ".cache", "bench"), { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), "viv-bench-image-"));
  const root = join(scratch, "root");
  try {
    const codename = /VERSION_CODENAME=(\w+)/.exec(await readFile("/etc/os-release", "utf8"))?.[1] ?? "";
    const mirrors = await execute("apt-get", ["indextargets", "--format", "$(REPO_URI)", `Codename: ${codename}`]);
    const mirror = mirrors.stdout.split("\n")[0] ?? "";
    const packages =
      "systemd,systemd-sysv,systemd-resolved,udev,dbus,linux-image-cloud-amd64,initramfs-tools,zstd,cloud-init,openssh-server," +
      "qemu-guest-agent,iproute2,ca-certificates,cloud-guest-utils,e2fsprogs,sudo,python3,apt";
    await execute("mmdebstrap", ["--mode=root", "--variant=minbase", `--include=${packages}`, codename, root, mirror], {
      maxBuffer: 1 << 28,
    });
    await writeFile(join(root, "etc/fstab"), "LABEL=root / ext4 defaults,noatime,errors=remount-ro 0 1\n");
    await writeFile(join(root, "etc/machine-id"), "");
    await writeFile(join(root, "etc/cloud/cloud.cfg.d/90_dpkg.cfg"), "datasource_list: [ NoCloud, None ]\n");
    const units = ["systemd-networkd", "systemd-resolved", "serial-getty@ttyS0", "qemu-guest-agent", "ssh"];
    await execute("chroot", [root, "systemctl", "--quiet", "enable", ...units]);
    await execute("chroot", [root, "systemctl", "--quiet", "mask", "systemd-networkd-wait-online.service"]);
    await makeBootableDisk(
      {
        rootDirectory: root,
        path: `${target}.partial`,
        format: "qcow2",
        sizeBytes: 3 * 1024 ** 3,
        kernel: "/vmlinuz",
        initrd: "/initrd.img",
        commandLine: "console=tty0 console=ttyS0,115200",
        seed: "untuned",
      },
      { signal: AbortSignal.timeout(120_000) },
    );
    await rename(`${target}.partial`, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}
