// The VirtualMachine controller: makes, starts, stops and removes the domain of each VirtualMachine.
//
//   related objects ──────────────┐
//   hypervisor events (wake-up.ts)┼─► look: observe.ts ─► plan-input.ts ─► plan/ ─► perform/ one step ─┐
//   time ─────────────────────────┘      ▲                                   └─► settle.ts             │
//                                        └───────────────── until Settle ◄─────────────────────────────┘
//
// One reconcile runs as many steps as there are to do, so that nothing waits between them; what is remembered across crashes is written
// to the status (report.ts, status/) before the step that needs it. resolve/ tells what the spec means.

import { VirtualMachine } from "@vivarium/api";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { MachineTurns } from "../machine-turns.ts";
import type { Placer } from "../placement/placer.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { createVmContext } from "./context.ts";
import type { VmContext } from "./context.ts";
import { Look } from "./look.ts";
import { observe } from "./observe.ts";
import { tidyDevices } from "./perform/hot-steps.ts";
import { heldBack, takeStep } from "./perform/take-step.ts";
import { planInputOf } from "./plan-input.ts";
import { decideAdopted } from "./plan/adopted-plan.ts";
import { decide } from "./plan/plan.ts";
import type { PlanInput } from "./plan/input.ts";
import type { Step } from "./plan/step.ts";
import { relatedToVirtualMachines } from "./related.ts";
import { whyNoRoom } from "./room.ts";
import { settle } from "./settle.ts";
import { wakeUps } from "./wake-up.ts";

export interface VirtualMachineControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  /** Shared with who moves machines; its own when absent. */
  readonly turns?: MachineTurns;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Shared with the controller of VMPlacementPolicies; one of its own when absent. */
  readonly placer?: Placer;
  readonly concurrency?: number;
}

/** More steps than any VM needs in a row: a plan that never settles is a bug, and is not allowed to spin. */
const mostSteps = 100;

export function createVirtualMachineController(options: VirtualMachineControllerOptions): Controller {
  const { random = Math.random, concurrency = 8, turns = new MachineTurns() } = options;
  const context = createVmContext({ ...options, random });
  const { machines, attachments } = context.objects;
  return {
    name: "virtual-machine",
    for: VirtualMachine,
    related: relatedToVirtualMachines(machines, attachments),
    sources: [...wakeUps(context), (enqueue, { signal }) => turns.onGivenBack(enqueue, { signal })],
    concurrency,
    reconcile: (request, running) => {
      const uid = machines.get(request)?.metadata.uid ?? "";
      return turns.run(uid, () => reconcile(context, request, running));
    },
  };
}

async function reconcile(
  context: VmContext,
  request: ReconcileRequest,
  running: ReconcileContext,
): Promise<ReconcileResult> {
  const { machines } = context.objects;
  const first = machines.get(request);
  if (first === undefined) {
    context.memories.forget(request);
    return undefined;
  }
  if (first.status?.moving !== undefined) {
    // It is the migration's; what is remembered of it is of another host afterwards.
    context.memories.forget(request);
    return undefined;
  }
  const look = new Look(first, context.memories.of(request, first), running);
  for (let count = 0; count < mostSteps; count++) {
    const vm = machines.get(request);
    if (vm === undefined || vm.metadata.uid !== first.metadata.uid) return { requeueAfterMs: 0 };
    look.turnTo(vm);
    await observe(context, look);
    tidyDevices(look);
    const input = planInputOf(context, look);
    const step = decideStep(input);
    if (step.kind === "Settle") return settle(context, look, { ...step, input });
    const held = heldBack(context, look, step);
    if (held !== undefined) return settle(context, look, { situation: held, input });
    const full = whyNoRoom(context, look, { step, input });
    if (full !== undefined) return settle(context, look, { situation: full, input });
    const failure = await takeStep(context, look, { step, input });
    if (failure !== undefined) return settle(context, look, { situation: failure, input });
    if (step.kind === "RemoveFinalizer") return undefined;
  }
  throw new Error(`Cannot settle VM "${request.namespace}/${request.name}": ${mostSteps} steps led nowhere`);
}

function decideStep(input: PlanInput): Step {
  return input.adopted === undefined ? decide(input) : decideAdopted(input, input.adopted);
}
