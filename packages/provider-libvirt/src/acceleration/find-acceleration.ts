// Whether guests run under KVM here, proved once per host and remembered. /dev/kvm alone proves nothing: there are hosts where it
// opens and guests then fail or hang. Any answer but a guest's own sign of life means emulation.

import { ProviderError } from "@vivarium/provider";
import type { Acceleration } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { VolumePool } from "../pool.ts";
import { removeLeftovers, runProbeGuest } from "./probe.ts";

export interface AccelerationQuestion {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly offersKvm: boolean;
  /** Changes with anything that may change the answer. */
  readonly hostKey: string;
}

/** Grows when the proof becomes a different one. */
const probeVersion = 2;

export async function findAcceleration({
  host,
  pool,
  offersKvm,
  hostKey,
}: AccelerationQuestion): Promise<Acceleration> {
  if (!offersKvm) return { kind: "tcg", reason: "libvirt offers no KVM on this host (is /dev/kvm there?)" };
  // Also where no proof is needed any more: the one that was killed may have been the last.
  await removeLeftovers({ host, pool });
  const key = `acceleration/${probeVersion}/${hostKey}`;
  const remembered = readAnswer(await host.memo.get(key));
  if (remembered !== undefined) return remembered;

  const answer = await prove({ host, pool });
  host.log.info({ acceleration: answer.kind, reason: answer.reason }, "probed how guests run on this host");
  await host.memo.set(key, JSON.stringify(answer));
  return answer;
}

async function prove(parts: Pick<AccelerationQuestion, "host" | "pool">): Promise<Acceleration> {
  const underKvm = await runProbeGuest("kvm", parts);
  if (underKvm.isAlive) return { kind: "kvm", reason: "a test guest ran under KVM on this host" };
  // The control: the same guest emulated. If that fails as well, the host has another problem and nothing is proved about KVM.
  const emulated = await runProbeGuest("qemu", parts);
  if (!emulated.isAlive) {
    const message = `Cannot find out how guests run on this host: a test guest failed both under KVM (${underKvm.why}) and emulated (${emulated.why})`;
    throw new ProviderError("Internal", message);
  }
  return { kind: "tcg", reason: `a test guest did not run under KVM on this host: ${underKvm.why}` };
}

function readAnswer(text: string | undefined): Acceleration | undefined {
  if (text === undefined) return undefined;
  try {
    const { kind, reason } = JSON.parse(text) as Partial<Acceleration>;
    return (kind === "kvm" || kind === "tcg") && reason !== undefined ? { kind, reason } : undefined;
  } catch {
    return undefined;
  }
}
