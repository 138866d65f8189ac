// Taints of hosts and what machines tolerate, with the fields of Kubernetes' core/v1 Taint and Toleration.

import type { Static } from "typebox";
import { choice, int64, list, optional, string, struct } from "./fields.ts";

const effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"] as const;

const taint = struct("One taint.", {
  key: string("What it is about.", { minLength: 1, maxLength: 253 }),
  value: optional(string("Which one, of those of the key.", { maxLength: 253 })),
  effect: choice(
    "`NoSchedule`: no machine that does not tolerate it is put there; `PreferNoSchedule`: none as long as another host can take it; `NoExecute`: as `NoSchedule`, and machines that are there are where they may not be: told by their policy and by `viv rebalance`, which plans their move.",
    effects,
  ),
});

const toleration = struct("One toleration.", {
  key: optional(string("Key of the taint; every taint when absent, with `Exists`.", { maxLength: 253 })),
  operator: optional(
    choice("`Exists`: whatever its value; `Equal`: its value is `value`.", ["Exists", "Equal"], { default: "Equal" }),
  ),
  value: optional(string("Value of the taint.", { maxLength: 253 })),
  effect: optional(choice("Effect of the taint; every one when absent.", effects)),
  tolerationSeconds: optional(
    int64("Accepted, without effect: no machine is driven off a host by a taint.", { minimum: 0 }),
  ),
});

export type Taint = Static<typeof taint>;
export type Toleration = Static<typeof toleration>;

export function taints(description: string) {
  return list(description, taint, { maxItems: 50 });
}

export function tolerations(description: string) {
  return list(description, toleration, { maxItems: 20 });
}
