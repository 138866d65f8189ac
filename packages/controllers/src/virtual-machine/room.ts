// Room on the host: a VM that was off, or grows, asks for it before anything is done, and what does not fit is refused with the figures.

import { ProviderError } from "@vivarium/provider";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";
import { aimOf } from "./perform/step-facts.ts";
import type { PlanInput } from "./plan/input.ts";
import type { Situation, Step } from "./plan/step.ts";

/** Undefined: the step may be taken, and the room for it is held from now on. */
export function whyNoRoom(
  context: VmContext,
  look: Look,
  { step, input }: { readonly step: Step; readonly input: PlanInput },
): Situation | undefined {
  if (!needsRoom(step, input)) return undefined;
  const lacking = lackOf(context, look);
  if (lacking === undefined) return undefined;
  const message = `The VM cannot be started: ${lacking}. It is started when there is room`;
  return { kind: "Blocked", problems: [{ reason: "HostFull", message }] };
}

/** For what happens to a VM that runs, and goes on running without. */
export function assertRoom(context: VmContext, look: Look): void {
  const lacking = lackOf(context, look);
  if (lacking !== undefined) throw new ProviderError("NoSpace", `The VM cannot grow: ${lacking}`);
}

/**
 * One that is off asks before anything that leads to its start: what is done to its domain makes an event, and that would wake us again. One
 * that is shut down to be started again is left running where it could not be.
 */
function needsRoom(step: Step, { power, isDeleting, seen }: PlanInput): boolean {
  if (isDeleting || (power !== "On" && power !== "Paused")) return false;
  if (step.kind === "RecordShutdownRequest") return true;
  const isOff = seen.kind === "absent" || (seen.kind === "present" && seen.power === "off");
  return isOff && aimOf[step.kind] === "run";
}

function lackOf({ placer }: VmContext, look: Look): string | undefined {
  const provider = look.provider?.ok === true ? look.provider.value : look.provider?.made;
  if (provider === undefined) return undefined;
  const obstacles = placer.claimRoom(look.vm, provider);
  if (obstacles.length === 0) return undefined;
  return `of its host "${look.host ?? ""}", ${obstacles.map(({ message }) => message).join(", and ")}`;
}
