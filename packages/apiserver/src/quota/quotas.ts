// Puts the parts of resource quotas together. Without the kind ResourceQuota there are none.

import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { AdmissionPlugin } from "../admission/admission-plugin.ts";
import type { ResourceRegistry } from "../resource-registry.ts";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import type { ServerTask } from "../tasks/server-task.ts";
import { QuotaAdmission } from "./quota-admission.ts";
import { QuotaIndex } from "./quota-index.ts";
import { QuotaLedger } from "./quota-ledger.ts";
import { recountQuotas } from "./recount-quotas.ts";
import type { QuotaParts } from "./recount.ts";
import type { UsageEvaluator } from "./usage-evaluator.ts";
import { UsageTable } from "./usage.ts";

export class Quotas {
  readonly plugins: readonly AdmissionPlugin[];
  readonly #resource: Resource | undefined;
  readonly #index: QuotaIndex | undefined;
  readonly #usage: UsageTable;
  #parts: QuotaParts | undefined;

  constructor(options: {
    readonly store: Store;
    readonly log: Logger;
    readonly registry: ResourceRegistry;
    readonly evaluators: readonly UsageEvaluator[];
  }) {
    this.#usage = new UsageTable(options.evaluators);
    const resource = options.registry.find("", "v1", "resourcequotas");
    this.#resource = resource;
    this.#index = resource === undefined ? undefined : new QuotaIndex({ ...options, resource });
    this.plugins = this.#index === undefined ? [] : [new QuotaAdmission(this.#index, () => this.#started())];
  }

  /** Reads what quotas there are; until then none limits anything. */
  async start(state: ServerState, options: { readonly isShared: boolean }): Promise<readonly ServerTask[]> {
    const [resource, index] = [this.#resource, this.#index];
    if (resource === undefined || index === undefined) return [];
    this.#parts = { state, resource, usage: this.#usage, ledger: new QuotaLedger() };
    await index.load();
    return [recountQuotas(index, this.#parts, options)];
  }

  async follow(signal: AbortSignal): Promise<void> {
    await this.#index?.follow(signal);
  }

  #started(): QuotaParts {
    if (this.#parts === undefined) throw new TypeError("Cannot ask for quotas: they are not started yet");
    return this.#parts;
  }
}
