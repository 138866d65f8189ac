// What a part that does a step is given of it.

import type { PlanInput } from "../plan/input.ts";
import type { Step } from "../plan/step.ts";

export type TakenStep = Exclude<Step, { kind: "Settle" }>;

export interface StepOptions<K extends TakenStep["kind"] = TakenStep["kind"]> {
  readonly step: Extract<Step, { kind: K }>;
  readonly input: PlanInput;
}
