// The wish to go back to a snapshot: written down before it is carried out, and taken out of the spec afterwards.

import { VirtualMachine } from "@vivarium/api";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { withoutRevert } from "../record.ts";
import { flush } from "../report.ts";
import type { StepOptions } from "./step-options.ts";

export function noteRevert(look: Look, { revert }: StepOptions<"RecordRevert">["step"]): void {
  look.remember({ ...look.record, revert });
}

export function forgetRevert(look: Look): void {
  look.remember(withoutRevert(look.record));
}

/** Only the wish that was carried out: one that was written since is another. */
export async function clearRevert(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<"ClearRevert">,
): Promise<void> {
  if (look.mustWrite) await flush(context, look, { step: step.kind, input });
  const { namespace = "", name, uid, resourceVersion } = look.vm.metadata;
  const patch = { metadata: { uid, resourceVersion }, spec: { snapshot: { revertToRef: null } } };
  await context.client.mergePatch(VirtualMachine, { namespace, name }, patch, { signal: look.signal });
}
