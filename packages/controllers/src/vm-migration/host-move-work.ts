// The long part of a move: shuts the guest down where that is wanted, and has the hypervisors move it.

import { ProviderError } from "@vivarium/provider";
import type { Move, MoveProgress, MoveReport, Provider, VmIdentity } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";

export interface MoveWork {
  readonly source: Provider;
  readonly vm: VmIdentity;
  readonly move: Move;
  /** How long the guest may take to shut down; undefined where it is not asked to. */
  readonly shutdownMs?: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly report: (progress: MoveProgress) => void;
}

const lookEveryMs = 1_000;

export async function moveMachine(work: MoveWork): Promise<MoveReport> {
  const { source, vm, move, signal, report } = work;
  const role = source.migration;
  if (role === undefined) {
    throw new ProviderError("Unsupported", `Cannot move VM "${vm.name}": its hypervisor cannot move machines`);
  }
  if (work.shutdownMs !== undefined) await shutDown(work, work.shutdownMs);
  return role.move(vm, move, { signal, onProgress: report });
}

async function shutDown({ source: { compute }, vm, clock, signal }: MoveWork, shutdownMs: number): Promise<void> {
  const deadlineMs = clock.now() + shutdownMs;
  await compute.requestShutdown(vm, { signal });
  for (;;) {
    const seen = await compute.observe(vm, { signal });
    if (seen.kind !== "present" || seen.power === "off") return;
    if (clock.now() >= deadlineMs) {
      await compute.forceOff(vm, { signal });
      return;
    }
    await clock.delay(lookEveryMs, { signal });
  }
}
