// What a careful person does for the image of a role without Vivarium: an overlay on the parent's file, a seed with the same script, QEMU by hand
// until the guest says that it is done, and a copy of what was written. No control plane and no checks.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseQuantity } from "@vivarium/api";
import type { VMImage } from "@vivarium/api";
import { eventually } from "@vivarium/e2e";
import { buildSeed, provisionScript } from "@vivarium/images";

export const execute = promisify(execFile);

/** Gives seconds. */
export async function buildByHand(layer: VMImage, parent: string, scratch: string): Promise<number> {
  const { parentRef: _, role: __, resources, ...recipe } = layer.spec.source?.layer ?? { parentRef: { name: "" } };
  const token = "byhand";
  const [disk, seed, log, image] = ["disk.qcow2", "seed.iso", "serial.log", "layer.qcow2"].map((name) =>
    join(scratch, name),
  ) as [string, string, string, string];
  const from = performance.now();
  await execute("qemu-img", ["create", "-q", "-f", "qcow2", "-b", parent, "-F", "qcow2", disk]);
  const userData = provisionScript(recipe, { token, isForImage: true });
  const metaData = { instanceId: token, localHostname: token, publicKeys: [] };
  await writeFile(seed, buildSeed({ userData, metaData }));
  await writeFile(log, "");
  const memoryMiB = Math.ceil(parseQuantity(resources?.memory ?? "1Gi") / 2 ** 20);
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-M", "q35", "-accel", "tcg", "-cpu", "qemu64", "-smp", String(resources?.cpu ?? 2), "-m", String(memoryMiB)],
      ...["-display", "none", "-monitor", "none", "-serial", `file:${log}`, "-device", "virtio-rng-pci"],
      ...["-drive", `file=${disk},if=virtio,format=qcow2,cache=writeback,discard=unmap`],
      ...["-drive", `file=${seed},if=virtio,format=raw,readonly=on`],
      ...["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile="],
    ],
    { stdio: "ignore" },
  );
  const exited = once(qemu, "exit");
  try {
    await eventually(
      "the guest is done",
      async () => {
        const said = await readFile(log, "latin1");
        if (qemu.exitCode !== null || said.includes(`${token} failed`)) throw new Error(`By hand it failed: ${said}`);
        return said.includes(`VIVARIUM-BUILD ${token} done`) ? true : undefined;
      },
      { timeoutMs: 3_600_000, everyMs: 100 },
    );
  } finally {
    qemu.kill();
    await exited;
  }
  await execute("qemu-img", ["convert", "-f", "qcow2", "-O", "qcow2", "-B", parent, "-F", "qcow2", disk, image]);
  return (performance.now() - from) / 1000;
}
