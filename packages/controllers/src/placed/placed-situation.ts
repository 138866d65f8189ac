// In what state a placed object can be once nothing is to be done, and how that is said. Pure.

import type { ProviderError } from "@vivarium/provider";
import type { Verdict } from "../verdict.ts";

export type PlacedSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Ready" }
  | { readonly kind: "Inactive" }
  | { readonly kind: "Problem"; readonly problem: { readonly reason: string; readonly message: string } }
  | { readonly kind: "Unavailable"; readonly error: ProviderError }
  | { readonly kind: "InUse"; readonly users: readonly string[] };

export type PlacedPhase = "Pending" | "Ready" | "Inactive" | "Failed" | "Deleting";

export function placedPhase({ kind }: PlacedSituation, { isDeleting }: { readonly isDeleting: boolean }): PlacedPhase {
  if (isDeleting) return "Deleting";
  switch (kind) {
    case "Ready":
      return "Ready";
    case "Inactive":
      return "Inactive";
    case "Problem":
      return "Failed";
    case "Unavailable":
      return "Pending";
    case "InUse":
    case "Gone":
      return "Deleting";
  }
}

export interface PlacedWords {
  /** `pool`. */
  readonly noun: string;
  /** On the hypervisor. */
  readonly name: string;
  /** What holds it: `volumes are in it`. */
  readonly users: string;
}

export function placedVerdict(situation: PlacedSituation, { noun, name, users }: PlacedWords): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  const it = `${noun.slice(0, 1).toUpperCase()}${noun.slice(1)} "${name}"`;
  switch (situation.kind) {
    case "Ready":
      return { status: "True", reason: "Ready", message: `${it} is active` };
    case "Inactive":
      return no("Inactive", `${it} is stopped. It was adopted and is not started from here: start it on the host`);
    case "Problem":
      return no(situation.problem.reason, situation.problem.message);
    case "Unavailable": {
      const message = `Cannot look at the ${noun}: ${situation.error.message}`;
      return { status: "Unknown", reason: "ProviderUnavailable", message };
    }
    case "InUse":
      return no("InUse", `Cannot be deleted while ${users}: ${situation.users.join(", ")}`);
    case "Gone":
      return no("Deleted", "Deleted");
  }
}
