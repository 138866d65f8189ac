// How a deletion is told to the garbage collector: by a finalizer that holds the object until its dependents are dealt with.

import type { Propagation } from "../input/delete-options.ts";
import { foregroundFinalizer, orphanFinalizer } from "./owned-object.ts";

/** The finalizers of an object that is being deleted. Without a wish they stay as they are. */
export function finalizersFor(finalizers: readonly string[], propagation: Propagation | undefined): readonly string[] {
  if (propagation === undefined) return finalizers;
  const others = finalizers.filter((each) => each !== orphanFinalizer && each !== foregroundFinalizer);
  switch (propagation) {
    case "Background":
      return others;
    case "Foreground":
      return [...others, foregroundFinalizer];
    case "Orphan":
      return [...others, orphanFinalizer];
  }
}
