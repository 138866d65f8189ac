// Finds out at which addresses a running VM is: asks when something happened or after a while, and does not take an echo for an answer.

import { isProviderError } from "@vivarium/provider";
import type { GuestAddress } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";
import { answerKey, usefulAddresses } from "./addresses.ts";
import { withDeadline } from "../deadline.ts";
import { identityOf } from "./resolve/definition.ts";
import type { Look } from "./look.ts";
import { macsOf } from "./resolve/macs.ts";
import { addressRefreshMs } from "./plan/on-plan.ts";

const lookupDeadlineMs = 20_000;
/** How long a host's tables may go on naming a guest that is off. */
const echoMs = 60_000;
/**
 * A DHCP server that was asked just before a guest was stopped tries for 3 s whether the address is free, then offers it, and enters it
 * into the host's neighbour table itself (dnsmasq): that is heard when the next run has begun.
 */
const lateOfferMs = 5_000;

/** Once known, addresses are looked up again when something happened, or after a while. What is known stays where nobody answers. */
export async function findAddresses(look: Look, clock: Clock): Promise<void> {
  const { memory, open, vm } = look;
  const nowMs = clock.now();
  if (open === undefined) return;
  // The server was restarted: what it knew then is a start, to be confirmed below.
  const isSameRun = look.record.runningSinceMs !== undefined;
  if (memory.addressesLookedAtMs === undefined && isSameRun) memory.addresses = vm.status?.addresses ?? [];
  const ageMs = nowMs - (memory.addressesLookedAtMs ?? Number.NEGATIVE_INFINITY);
  if (memory.addresses.length > 0 && !memory.isStirred && ageMs < addressRefreshMs - 1_000) return;
  memory.addressesLookedAtMs = nowMs;
  memory.isStirred = false;
  const identity = identityOf(vm);
  const seen = look.seen?.kind === "present" ? look.seen.nics.map((nic) => nic.mac.toLowerCase()) : [];
  const macs = seen.length > 0 ? seen : macsOf(vm);
  if (macs.length === 0) return;
  try {
    const found: readonly GuestAddress[] = await withDeadline(
      (signal) => open.addresses.lookup(identity, macs, { signal }),
      {
        clock,
        what: `look up addresses of VM "${identity.name}"`,
        deadlineMs: lookupDeadlineMs,
        signal: look.signal,
      },
    );
    // Nothing that is heard at the moment of a start comes from the guest that was started: neighbour tables, and leases that could not
    // be given back, still tell of the run before. They are believed again once they would have expired, or when another source agrees.
    const runMs = nowMs - (look.record.runningSinceMs ?? nowMs);
    const mayBeOfferedLate = look.record.lastStop !== undefined && runMs < lateOfferMs;
    for (const each of found) {
      if (memory.isFreshStart || (mayBeOfferedLate && each.source === "arp")) memory.echo.add(answerKey(each));
    }
    memory.isFreshStart = false;
    const heard = found.filter((each) => runMs >= echoMs || !memory.echo.has(answerKey(each)));
    const useful = usefulAddresses(heard, macs);
    if (useful.length > 0) memory.addresses = useful;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    look.log.debug(
      { err: error, vm: `${vm.metadata.namespace ?? ""}/${vm.metadata.name}` },
      "addresses could not be looked up",
    );
  }
}
