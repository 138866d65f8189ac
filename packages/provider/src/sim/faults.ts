// Fault rules of the simulated hypervisor: the next N calls of a method fail, before they did anything or after they did it all
// (the answer is lost). The second is the one that doubles VMs in careless code.

import { ProviderError } from "../provider-error.ts";
import type { ProviderErrorCode } from "../provider-error.ts";

export type SimulatedMethod =
  | "describe"
  | `compute.${"observe" | "check" | "define" | "start" | "requestShutdown" | "forceOff" | "undefine"}`
  | `disks.${"ensureRoot" | "ensureData" | "writeSeed" | "remove"}`
  | `images.${"find" | "import" | "remove" | "list" | "discard"}`
  | `layers.${"seal" | "measure" | "usersOf"}`
  | `imageBackups.${"read" | "restore"}`
  | `pools.${"observe" | "check" | "create" | "start" | "refresh" | "remove"}`
  | `volumes.${"observe" | "create" | "upload" | "grow" | "remove"}`
  | `runState.${"pause" | "resume" | "suspend" | "discardMemory" | "requestReboot" | "reset"}`
  | `sizing.${"addCpus" | "setMemory" | "setLimits" | "setStartOnBoot"}`
  | `hotplug.${"attachDisk" | "requestDetach" | "tuneDisk" | "growDisk"}`
  | `nics.${"listMacs" | "attachNic" | "requestNicDetach" | "tuneNic"}`
  | `adoption.${"list" | "bind" | "release" | "destroy"}`
  | `guest.${"ping" | "run"}`
  | `host.${"details" | "domains"}`
  | `networks.${"observe" | "check" | "create" | "update" | "start" | "reconnect" | "remove"}`
  | `migration.${"check" | "move" | "settle" | "exportDisks"}`
  | `clones.${"create" | "read" | "unlink"}`
  | `snapshots.${"list" | "create" | "revert" | "remove"}`
  | `addresses.${"lookup" | "release"}`
  | `console.${"open" | "readLog"}`
  | `screen.${"open" | "capture"}`
  | "stats.read";

/** `hang` never answers; the caller's signal ends it. */
type Effect = "fail" | "lose-answer" | "hang";

interface FaultRule {
  readonly method: SimulatedMethod | "*";
  readonly effect: Effect;
  readonly code: ProviderErrorCode;
  readonly message: string;
  remaining: number;
}

export class FaultRules {
  readonly #rules: FaultRule[] = [];

  add(
    method: SimulatedMethod | "*",
    rule: { effect: Effect; code: ProviderErrorCode; times: number; message?: string },
  ): void {
    const message = rule.message ?? `Simulated ${rule.effect} of ${method}`;
    this.#rules.push({ method, effect: rule.effect, code: rule.code, remaining: rule.times, message });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** Uses up one of the first matching rule's times. */
  take(method: SimulatedMethod): { readonly effect: Effect; readonly error: ProviderError } | undefined {
    const rule = this.#rules.find((r) => r.remaining > 0 && (r.method === method || r.method === "*"));
    if (rule === undefined) return undefined;
    rule.remaining -= 1;
    return { effect: rule.effect, error: new ProviderError(rule.code, rule.message) };
  }
}
