// On which side a VM is after a move that ended in any way, and what is to be done so that it is on that one alone. Pure: one step at a time,
// from what both hosts say.
//
// libvirt makes the domain of the target persistent when it is told to finish, before the guest goes on there: until then it only waits, and
// the source counts; from then on all of it is there, and what is left at the source is old. That order is what this rests on.

export type SideView =
  | { readonly kind: "absent" }
  | {
      readonly kind: "present";
      /** `halted`: a process with its memory, whose CPUs stand still. */
      readonly power: "on" | "halted" | "off";
      readonly haltedFor?: "migration" | "postcopy" | "other";
      /** Not persistent: it is gone with its process. */
      readonly isPersistent: boolean;
      /** A save, copy or move of it goes on. */
      readonly isBusy: boolean;
    };

export type SettleStep =
  | { readonly kind: "Done"; readonly side: "source" | "target" | "neither" }
  /** Gives up what goes on at the source. */
  | { readonly kind: "AbortJob" }
  /** The target is being told to finish. */
  | { readonly kind: "Wait" }
  | { readonly kind: "RemoveSource" }
  | { readonly kind: "RemoveTarget" }
  | { readonly kind: "ResumeSource" }
  | { readonly kind: "ResumeTarget" }
  /** Its memory is incomplete for ever: it starts anew from its disks. */
  | { readonly kind: "StopSource" }
  /** It runs on both: nobody but a person can tell which one is to stay. */
  | { readonly kind: "Split" };

export function judge(source: SideView, target: SideView): SettleStep {
  if (source.kind === "present" && source.isBusy) return { kind: "AbortJob" };
  if (target.kind === "absent") return judgeSource(source);
  if (!target.isPersistent) return target.power === "on" ? { kind: "Wait" } : { kind: "RemoveTarget" };
  if (source.kind === "absent") {
    return target.haltedFor === "migration" ? { kind: "ResumeTarget" } : { kind: "Done", side: "target" };
  }
  switch (source.power) {
    case "on":
      return target.power === "on" ? { kind: "Split" } : { kind: "RemoveTarget" };
    case "halted":
      // Somebody halted it, so that nothing has happened on the other side either; a definition alone has no memory.
      return source.haltedFor === "other" && target.power === "off"
        ? { kind: "RemoveTarget" }
        : { kind: "RemoveSource" };
    case "off":
      return { kind: "RemoveSource" };
  }
}

function judgeSource(source: SideView): SettleStep {
  if (source.kind === "absent") return { kind: "Done", side: "neither" };
  if (source.haltedFor === "migration") return { kind: "ResumeSource" };
  if (source.haltedFor === "postcopy") return { kind: "StopSource" };
  return { kind: "Done", side: "source" };
}
