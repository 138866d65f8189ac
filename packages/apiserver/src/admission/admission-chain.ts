// All admission plugins in their order. The first refusal ends the request; what earlier plugins set aside is given back.

import type { AdmissionPlugin, AdmissionRequest, Settle } from "./admission-plugin.ts";

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** Undefined, at once, when no plugin is interested. */
  admit(request: AdmissionRequest): Promise<Settle> | undefined {
    for (const plugin of this.#plugins) if (plugin.isInterested(request)) return this.#ask(request);
    return undefined;
  }

  async #ask(request: AdmissionRequest): Promise<Settle> {
    const settles: Settle[] = [];
    const settle: Settle = (outcome) => {
      for (const each of settles) each(outcome);
    };
    try {
      for (const plugin of this.#plugins) {
        if (!plugin.isInterested(request)) continue;
        const own = await plugin.admit(request);
        if (own !== undefined) settles.push(own);
      }
    } catch (error) {
      settle("unwritten");
      throw error;
    }
    return settle;
  }
}
