// Runs the probe guest once, as a transient domain of its own, and listens for its sign of life on the serial console.

import { randomBytes } from "node:crypto";
import { DomainCreateFlags, DomainDestroyFlags, isLibvirtError, LibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { cpuElement } from "../domain/cpu.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { VolumePool } from "../pool.ts";
import { element, renderXml } from "../xml/element.ts";
import { probeAliveText, probeBegunText, probeGuestSector } from "./probe-guest.ts";

export type ProbeAnswer =
  | { readonly isAlive: true }
  /** A clause for people. */
  | { readonly isAlive: false; readonly why: string };

interface Parts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
}

const namePrefix = "vivarium-probe-";
/**
 * From the guest's first instruction to its last text. Hardware needs a tenth of a second. The emulated control proves nothing by its
 * speed, so a busy host gets time.
 */
const deadlineMs = { kvm: 5000, qemu: 30_000 };
/** A disk this small is as good as any; some firmware dislikes less. */
const diskBytes = 1024 * 1024;
const leftoverAgeMs = 300_000;

/** Throws ProviderError where the probe itself could not be made. Leaves nothing behind. */
export async function runProbeGuest(type: "kvm" | "qemu", { host, pool }: Parts): Promise<ProbeAnswer> {
  const name = `${namePrefix}${host.clock.now()}-${randomBytes(3).toString("hex")}`;
  const disk = `${name}.img`;
  try {
    await pool.write(disk, oneChunk(bootDisk()));
    return await pool.use("run a test guest", async ({ libvirt, path }) => {
      const xml = probeXml({ name, type, disk: `${path}/${disk}` });
      let domain: Domain;
      try {
        // Paused, so that nothing it prints is lost; and the daemon removes it should this process die.
        const flags = DomainCreateFlags.PAUSED | DomainCreateFlags.AUTODESTROY;
        domain = await libvirt.domainCreateXml(xml, { flags });
      } catch (error) {
        if (!(error instanceof LibvirtError)) throw error;
        return { isAlive: false, why: `it does not start (${oneLine(error.message)})` };
      }
      try {
        return await listen(libvirt, { domain, timeoutMs: deadlineMs[type] });
      } finally {
        await destroy(libvirt, domain);
      }
    });
  } finally {
    await pool.delete(disk);
  }
}

async function listen(
  libvirt: Libvirt,
  { domain, timeoutMs }: { readonly domain: Domain; readonly timeoutMs: number },
): Promise<ProbeAnswer> {
  const deadline = AbortSignal.timeout(timeoutMs);
  let heard = "";
  try {
    const console = await libvirt.domainOpenConsole(domain, { signal: deadline });
    await libvirt.domainResume(domain, { signal: deadline });
    for await (const chunk of console.output) {
      heard += Buffer.from(chunk).toString("latin1");
      if (heard.includes(probeAliveText)) return { isAlive: true };
    }
  } catch (error) {
    if (!deadline.aborted && !(error instanceof LibvirtError)) throw error;
    if (!deadline.aborted) return { isAlive: false, why: `it ends at once (${oneLine((error as Error).message)})` };
  }
  if (!deadline.aborted) return { isAlive: false, why: "it ends before it gives any sign of life" };
  const seconds = timeoutMs / 1000;
  return heard.includes(probeBegunText)
    ? { isAlive: false, why: `it starts, but has not run 100 million short steps within ${seconds} s` }
    : { isAlive: false, why: `it gives no sign of life within ${seconds} s` };
}

/** Removes what probes of killed processes left; those of the last minutes may still be running. */
export async function removeLeftovers({ host, pool }: Parts): Promise<void> {
  const isLeft = (name: string): boolean => {
    const madeMs = /^vivarium-probe-(\d{13})-[0-9a-f]{6}(\.img)?$/.exec(name)?.[1];
    return madeMs !== undefined && host.clock.now() - Number(madeMs) > leftoverAgeMs;
  };
  await host.attempt("remove left test guests", async (libvirt) => {
    const domains = await libvirt.connectListAllDomains();
    for (const domain of domains.filter((candidate) => isLeft(candidate.name))) await destroy(libvirt, domain);
  });
  for (const volume of (await pool.names()).filter(isLeft)) await pool.delete(volume);
}

async function destroy(libvirt: Libvirt, domain: Domain): Promise<void> {
  try {
    await libvirt.domainDestroyFlags(domain, { flags: DomainDestroyFlags.REMOVE_LOGS });
  } catch (error) {
    // libvirt before 8.3 does not know the flag.
    if (isLibvirtError(error, "INVALID_ARG")) await libvirt.domainDestroyFlags(domain);
    else if (!isLibvirtError(error, "NO_DOMAIN", "OPERATION_INVALID")) throw error;
  }
}

function probeXml(probe: { readonly name: string; readonly type: "kvm" | "qemu"; readonly disk: string }): string {
  return renderXml(
    element("domain", { type: probe.type }, [
      element("name", {}, probe.name),
      element("memory", { unit: "MiB" }, "64"),
      element("vcpu", {}, "1"),
      element("os", {}, [element("type", { arch: "x86_64", machine: "q35" }, "hvm")]),
      element("features", {}, [element("acpi"), element("apic")]),
      // Just as the VMs get it: a host may run one CPU model and not another.
      cpuElement({ acceleration: probe.type === "kvm" ? "kvm" : "tcg", nestedVirtualization: false }),
      element("on_reboot", {}, "destroy"),
      element("on_crash", {}, "destroy"),
      element("devices", {}, [
        element("controller", { type: "usb", model: "none" }),
        element("disk", { type: "file", device: "disk" }, [
          element("driver", { name: "qemu", type: "raw" }),
          element("source", { file: probe.disk }),
          element("target", { dev: "vda", bus: "virtio" }),
          element("boot", { order: 1 }),
        ]),
        element("serial", { type: "pty" }, [element("target", { port: 0 })]),
        element("console", { type: "pty" }, [element("target", { type: "serial", port: 0 })]),
        element("memballoon", { model: "none" }),
      ]),
    ]),
  );
}

function bootDisk(): Uint8Array {
  const disk = new Uint8Array(diskBytes);
  disk.set(probeGuestSector());
  return disk;
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** QEMU's complaints come in several lines; the first words tell enough for a status. The log has all. */
function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s+/gu, " ");
  return line.length > 240 ? `${line.slice(0, 240)}…` : line;
}
