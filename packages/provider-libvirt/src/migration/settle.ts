// Carries out what `judge` finds, until the VM is on one side alone.

import { DomainJobType, DomainPausedReason, DomainState, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, Clock, MoveSide, VmIdentity } from "@vivarium/provider";
import { findDomain } from "../domain/lookup.ts";
import { undefineDomain } from "../domain/undefine.ts";
import { judge } from "./judge.ts";
import type { SideView } from "./judge.ts";

interface Side {
  readonly view: SideView;
  readonly domain?: Domain;
  readonly libvirt: Libvirt;
}

const mostSteps = 60;
const waitMs = 500;

export async function settleDomains(
  vm: VmIdentity,
  {
    source,
    target,
    clock,
    options,
  }: {
    readonly source: Libvirt;
    readonly target: Libvirt;
    readonly clock: Clock;
    readonly options: CallOptions | undefined;
  },
): Promise<MoveSide> {
  for (let count = 0; count < mostSteps; count += 1) {
    const [here, there] = await Promise.all([lookAt(source, vm, options), lookAt(target, vm, options)]);
    const step = judge(here.view, there.view);
    switch (step.kind) {
      case "Done":
        return step.side;
      case "AbortJob":
        await unlessOver(act(here, (libvirt, domain) => libvirt.domainAbortJob(domain)));
        await clock.delay(waitMs, signalOf(options));
        break;
      case "Wait":
        await clock.delay(waitMs, signalOf(options));
        break;
      case "RemoveSource":
        await remove(here, options);
        break;
      case "RemoveTarget":
        await remove(there, options);
        break;
      case "ResumeSource":
        await unlessOver(act(here, (libvirt, domain) => libvirt.domainResume(domain)));
        break;
      case "ResumeTarget":
        await unlessOver(act(there, (libvirt, domain) => libvirt.domainResume(domain)));
        break;
      case "StopSource":
        await unlessOver(act(here, (libvirt, domain) => libvirt.domainDestroyFlags(domain)));
        break;
      case "Split": {
        const message = `Cannot settle VM "${vm.name}": it runs on both hosts, expected on one; look at which one is right, and destroy the other`;
        throw new ProviderError("Conflict", message);
      }
    }
  }
  throw new ProviderError("Unavailable", `Cannot settle VM "${vm.name}": a job of it goes on, expected none`);
}

async function lookAt(libvirt: Libvirt, vm: VmIdentity, options: CallOptions | undefined): Promise<Side> {
  const found = await findDomain(libvirt, { vm, options });
  // Another's domain is none of this VM.
  if (found.kind !== "own") return { view: { kind: "absent" }, libvirt };
  const { domain } = found;
  try {
    const [{ state, reason }, isPersistent, isBusy] = await Promise.all([
      libvirt.domainGetState(domain, options),
      libvirt.domainIsPersistent(domain, options),
      isAtWork(libvirt, domain, options),
    ]);
    return { view: { kind: "present", ...powerOf(state, reason), isPersistent, isBusy }, domain, libvirt };
  } catch (error) {
    if (isLibvirtError(error, "NO_DOMAIN")) return { view: { kind: "absent" }, libvirt };
    throw error;
  }
}

async function isAtWork(libvirt: Libvirt, domain: Domain, options: CallOptions | undefined): Promise<boolean> {
  try {
    const { type } = await libvirt.domainGetJobInfo(domain, options);
    return type === DomainJobType.BOUNDED || type === DomainJobType.UNBOUNDED;
  } catch (error) {
    // It is off.
    if (isLibvirtError(error, "OPERATION_INVALID")) return false;
    throw error;
  }
}

type Power = Pick<Extract<SideView, { kind: "present" }>, "power" | "haltedFor">;

function powerOf(state: number, reason: number): Power {
  switch (state) {
    case DomainState.SHUTOFF:
    case DomainState.CRASHED:
      return { power: "off" };
    case DomainState.PAUSED:
      return { power: "halted", haltedFor: reasonOf(reason) };
    default:
      return { power: "on" };
  }
}

function reasonOf(reason: number): NonNullable<Power["haltedFor"]> {
  switch (reason) {
    case DomainPausedReason.MIGRATION:
    case DomainPausedReason.STARTING_UP:
    case DomainPausedReason.UNKNOWN:
      return "migration";
    case DomainPausedReason.POSTCOPY:
    case DomainPausedReason.POSTCOPY_FAILED:
      return "postcopy";
    default:
      return "other";
  }
}

async function remove(side: Side, options: CallOptions | undefined): Promise<void> {
  await act(side, async (libvirt, domain) => {
    const { view } = side;
    if (view.kind === "present" && view.power !== "off") await unlessOver(libvirt.domainDestroyFlags(domain));
    // A domain that only waits is gone with its process.
    if (view.kind === "present" && view.isPersistent) await undefineDomain(libvirt, { domain, options });
  });
}

async function act(
  { libvirt, domain }: Side,
  does: (libvirt: Libvirt, domain: Domain) => Promise<void>,
): Promise<void> {
  if (domain !== undefined) await does(libvirt, domain);
}

/** What happened meanwhile shows at the next look. */
async function unlessOver(acting: Promise<void>): Promise<void> {
  try {
    await acting;
  } catch (error) {
    if (!isLibvirtError(error, "NO_DOMAIN", "OPERATION_INVALID")) throw error;
  }
}

function signalOf(options: CallOptions | undefined): CallOptions {
  return options?.signal === undefined ? {} : { signal: options.signal };
}
