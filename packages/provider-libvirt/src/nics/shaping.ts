// Whether the host can limit bandwidth, found out by trying. libvirt builds limits from kernel parts (an htb class with an sfq queue, the
// police action) that some kernels lack, and notices when it starts a guest, which then does not start.

import { randomBytes } from "node:crypto";
import { LibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import type { LibvirtHost } from "../libvirt-host.ts";
import { element, renderXml } from "../xml/element.ts";

export type Shaping = { readonly canLimit: true } | { readonly canLimit: false; readonly why: string };

const probePrefix = "vivarium-probe-";
/** A kernel module may be loaded meanwhile. */
const believeRefusalMs = 300_000;
/** No probe takes as long: what is older was left by a server that was killed. */
const leftoverMs = 600_000;

export class ShapingProbe {
  readonly #host: LibvirtHost;
  #known: { readonly atMs: number; readonly answer: Promise<Shaping> } | undefined;

  constructor(host: LibvirtHost) {
    this.#host = host;
    host.connection?.onState((event) => {
      if (event.kind === "disconnected") this.#known = undefined;
    });
  }

  /** Asked for once, however many wait. */
  async find(): Promise<Shaping> {
    const nowMs = this.#host.clock.now();
    if (this.#known === undefined) this.#known = this.#ask(nowMs);
    const answer = await this.#known.answer;
    if (answer.canLimit || nowMs - this.#known.atMs < believeRefusalMs) return answer;
    this.#known = this.#ask(nowMs);
    return this.#known.answer;
  }

  #ask(atMs: number): { readonly atMs: number; readonly answer: Promise<Shaping> } {
    const answer = this.#host.attempt("find out whether the host can limit bandwidth", (libvirt) =>
      probe(libvirt, atMs),
    );
    answer.catch(() => (this.#known = undefined));
    return { atMs, answer };
  }
}

/** A network of nobody that is limited in both ways, for a moment. */
async function probe(libvirt: Libvirt, nowMs: number): Promise<Shaping> {
  await removeLeftovers(libvirt, nowMs);
  try {
    await tryNetwork(libvirt, { nowMs, isLimited: true });
    return { canLimit: true };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    // The control: when the same fails without limits, nothing is proved about them.
    await tryNetwork(libvirt, { nowMs, isLimited: false });
    return { canLimit: false, why: error.message.trim() };
  }
}

async function tryNetwork(
  libvirt: Libvirt,
  { nowMs, isLimited }: { readonly nowMs: number; readonly isLimited: boolean },
): Promise<void> {
  const limit = { average: 1000, peak: 2000, burst: 1000 };
  const xml = element("network", {}, [
    element("name", {}, `${probePrefix}${nowMs}-${randomBytes(3).toString("hex")}`),
    element("bridge", { stp: "off", delay: 0 }),
    isLimited && element("bandwidth", {}, [element("inbound", limit), element("outbound", limit)]),
  ]);
  const network = await libvirt.networkCreateXml(renderXml(xml));
  await libvirt.networkDestroy(network);
}

async function removeLeftovers(libvirt: Libvirt, nowMs: number): Promise<void> {
  for (const network of await libvirt.connectListAllNetworks()) {
    const made = new RegExp(`^${probePrefix}(\\d+)-[0-9a-f]{6}$`).exec(network.name)?.[1];
    if (made === undefined || nowMs - Number(made) < leftoverMs) continue;
    await libvirt.networkDestroy(network);
  }
}
