// One write under the eyes of the admission plugins: asked before it, told after it.

import type { ServerState } from "../server-state.ts";
import type { AdmissionRequest } from "./admission-plugin.ts";

/** Runs `write` if every plugin agrees. `isWritten` says of its result whether the store was changed. */
export async function admitWrite<T>(
  state: ServerState,
  request: AdmissionRequest,
  { write, isWritten }: { readonly write: () => Promise<T>; readonly isWritten: (result: T) => boolean },
): Promise<T> {
  const asked = state.admission.admit(request);
  if (asked === undefined) return write();
  const settle = await asked;
  let result: T;
  try {
    result = await write();
  } catch (error) {
    settle("unknown");
    throw error;
  }
  settle(isWritten(result) ? "written" : "unwritten");
  return result;
}
