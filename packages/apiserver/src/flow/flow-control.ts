// Which requests share their turns: the administrators and the system's own accounts have a level of their own, so that they get through
// while everybody else's is full; within a level each user is a flow. In the spirit of Kubernetes' API Priority and Fairness, without its
// configuration. Health is always answered, and what runs inside the process does not pass here.

import type { UserInfo } from "@vivarium/api";
import { PriorityLevel, type FlowLimits, type RejectReason, type Release } from "./priority-level.ts";

export const defaultFlowLimits: FlowLimits = {
  maxExecuting: 256,
  maxQueuedPerFlow: 256,
  maxQueued: 2048,
  maxWaitMs: 15_000,
};

const systemGroups: ReadonlySet<string> = new Set([
  "system:masters",
  "system:nodes",
  "system:serviceaccounts:kube-system",
]);

export class FlowControl {
  readonly #system: PriorityLevel;
  readonly #workload: PriorityLevel;

  constructor(options: {
    readonly limits: FlowLimits;
    readonly onReject: (level: string, reason: RejectReason) => void;
  }) {
    const { limits, onReject } = options;
    const level = (name: string): PriorityLevel =>
      new PriorityLevel(name, { limits, onReject: (reason) => onReject(name, reason) });
    this.#system = level("system");
    this.#workload = level("workload");
  }

  get levels(): readonly PriorityLevel[] {
    return [this.#system, this.#workload];
  }

  /** `gone` is asked for only when the request has to wait. */
  admit(user: UserInfo, path: string, gone: () => AbortSignal): Release | Promise<Release> {
    if (isHealth(path)) return () => undefined;
    const level = user.groups.some((group) => systemGroups.has(group)) ? this.#system : this.#workload;
    return level.admit(user.name, gone);
  }
}

function isHealth(path: string): boolean {
  return /^\/(livez|readyz|healthz)(\/|$)/.test(path);
}
