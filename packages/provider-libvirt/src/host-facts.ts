// What does not change while a connection lasts: who the host is, what it can do, and whether guests run under KVM. Asked once per
// connection, then kept.

import { release } from "node:os";
import { formatVersion } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import type { Acceleration, CallOptions, Capabilities, HostDetails } from "@vivarium/provider";
import { findAcceleration } from "./acceleration/find-acceleration.ts";
import { parseDomainCapabilities, parseHostCapabilities } from "./capabilities-xml.ts";
import type { LibvirtHost } from "./libvirt-host.ts";
import type { VolumePool } from "./pool.ts";

export interface HostFacts {
  readonly hostname: string;
  /** For example `libvirt 9.0.0, QEMU 7.2.22`. */
  readonly version: string;
  readonly architecture: string;
  readonly cpus: number;
  /** How fast they are, as far as the host says. */
  readonly cpuMhz: number;
  /** CPU models that guests can have, besides the host's own. */
  readonly cpuModels: readonly string[];
  readonly memoryBytes: number;
  readonly maxVcpus: number;
  readonly acceleration: Acceleration;
  readonly capabilities: Capabilities;
  readonly details: HostDetails;
}

/** NIC models that QEMU's q35 machine has and whose guests have drivers; libvirt does not list them. */
const networkModels = ["virtio", "e1000e", "e1000", "rtl8139", "vmxnet3"];

export class FactSource {
  readonly #host: LibvirtHost;
  readonly #pool: VolumePool;
  #facts: Promise<HostFacts> | undefined;

  constructor({ host, pool }: { readonly host: LibvirtHost; readonly pool: VolumePool }) {
    this.#host = host;
    this.#pool = pool;
    // Another QEMU, kernel or package may be there after a reconnect.
    host.connection?.onState((event) => {
      if (event.kind === "disconnected") this.#facts = undefined;
    });
  }

  /** Asked for once, however many wait; so it goes on when one of them gives up. */
  async get(options?: CallOptions): Promise<HostFacts> {
    if (this.#facts === undefined) {
      const asking = this.#host
        .attempt("ask the host what it can do", (libvirt) => gather(libvirt, { host: this.#host, pool: this.#pool }))
        .catch((error: unknown) => {
          if (this.#facts === asking) this.#facts = undefined;
          throw error;
        });
      this.#facts = asking;
    }
    return orAbort(this.#facts, options?.signal);
  }
}

async function gather(
  libvirt: Libvirt,
  { host, pool }: { readonly host: LibvirtHost; readonly pool: VolumePool },
): Promise<HostFacts> {
  const [hostname, node, memory, qemuVersion, libvirtVersion, capabilitiesXml] = await Promise.all([
    libvirt.connectGetHostname(),
    libvirt.nodeGetInfo(),
    libvirt.nodeGetMemoryStats(),
    libvirt.connectGetVersion(),
    libvirt.connectGetLibVersion(),
    libvirt.connectGetCapabilities(),
  ]);
  const view = parseHostCapabilities(capabilitiesXml);
  const manager = `libvirt ${formatVersion(libvirtVersion)}`;
  const hypervisor = `QEMU ${formatVersion(qemuVersion)}`;
  const version = `${manager}, ${hypervisor}`;
  const acceleration = await findAcceleration({
    host,
    pool,
    offersKvm: view.offersKvm,
    // A remote host's kernel is not told; its other versions usually change with it.
    hostKey: [view.uuid, host.isLocal ? release() : "remote", version].join("/"),
  });
  const domain = parseDomainCapabilities(
    await libvirt.connectGetDomainCapabilities({
      arch: view.architecture,
      machine: view.architecture === "x86_64" ? "q35" : "virt",
      virtType: acceleration.kind === "kvm" ? "kvm" : "qemu",
    }),
  );
  return {
    hostname,
    version,
    architecture: view.architecture,
    cpus: node.cpus,
    cpuMhz: node.mhz > 0 ? node.mhz : 1000,
    cpuModels: domain.cpuModels,
    // nodeGetInfo has told half of a machine's memory (libvirt 9.0 in a microVM); these are the kernel's own figures.
    memoryBytes: memory.totalBytes ?? node.memoryBytes,
    maxVcpus: domain.maxVcpus,
    acceleration,
    capabilities: {
      diskFormats: ["qcow2", "raw"],
      networkModels,
      linkedClones: true,
      snapshots: true,
      memorySnapshots: true,
      imageImport: true,
      serialConsole: true,
      uefi: domain.uefi,
      secureBoot: domain.secureBoot,
      tpm: domain.tpm,
      nestedVirtualization: acceleration.kind === "kvm" && domain.nestedVirtualization,
    },
    details: {
      ...(view.uuid === "" ? {} : { uuid: view.uuid }),
      ...(view.cpuModel === undefined ? {} : { cpuModel: view.cpuModel }),
      versions: { manager, hypervisor, ...(host.isLocal ? { kernel: release() } : {}) },
    },
  };
}

function orAbort<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return waiting;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
