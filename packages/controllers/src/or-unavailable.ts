// A look at a hypervisor that fails is something seen, too: that it could not be looked at.

import { isProviderError } from "@vivarium/provider";
import type { ProviderError } from "@vivarium/provider";

export interface Unavailable {
  readonly kind: "unavailable";
  readonly error: ProviderError;
}

export async function orUnavailable<T>(look: () => Promise<T>): Promise<T | Unavailable> {
  try {
    return await look();
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return { kind: "unavailable", error };
  }
}
