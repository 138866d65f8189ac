// `viv start`, `stop`, `restart`, `pause`, `resume`, `suspend`, `reboot` and `reset`: wishes written into the object, then waited for. What kubectl would do is the same one patch.

import {
  discardMemoryAnnotation,
  rebootAnnotation,
  resetAnnotation,
  restartAnnotation,
  VirtualMachine,
  type ObjectKey,
} from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard, type Board } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { onlyVm, readyCondition, stageOf } from "../session/vm.ts";
import { waitForEnd } from "../session/wait-for-end.ts";

interface PowerOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly force?: boolean;
  readonly cold?: boolean;
}

export type PowerVerb = "start" | "stop" | "restart" | "pause" | "resume" | "suspend" | "reboot" | "reset";

/** One power command: the patch that asks for it, and how its fulfilment is recognised. */
interface Wish {
  readonly verb: PowerVerb;
  /** Why the VM as it is cannot do this; nothing is written then. */
  refusal?(vm: VirtualMachine): string | undefined;
  readonly patch: object;
  isFulfilled(vm: VirtualMachine): boolean;
  /** Said when it is. */
  outcome(vm: VirtualMachine): string;
}

export async function start(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, (now) => {
    const discard = options.cold === true ? { [discardMemoryAnnotation]: now.toISOString() } : undefined;
    return {
      verb: "start",
      patch: { spec: { powerState: "On" }, ...(discard && { metadata: { annotations: discard } }) },
      isFulfilled: (vm) => isCurrent(vm) && vm.status?.powerState === "On",
      outcome: () => "running",
    };
  });
}

export async function pause(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, () => ({
    verb: "pause",
    patch: { spec: { powerState: "Paused" } },
    isFulfilled: (vm) => isCurrent(vm) && vm.status?.powerState === "Paused",
    outcome: () => "paused; its memory stays on the host",
  }));
}

export async function resume(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, () => ({
    verb: "resume",
    patch: { spec: { powerState: "On" } },
    refusal: ({ spec, status }) =>
      ["Paused", "Suspended"].includes(spec.powerState ?? "On") || status?.powerState === "Paused"
        ? undefined
        : "it is neither paused nor suspended",
    isFulfilled: (vm) => isCurrent(vm) && vm.status?.powerState === "On",
    outcome: () => "running",
  }));
}

export async function suspend(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, () => ({
    verb: "suspend",
    patch: { spec: { powerState: "Suspended" } },
    refusal: isOnNow,
    isFulfilled: (vm) => isCurrent(vm) && (vm.status?.phase === "Suspended" || vm.status?.phase === "Stopped"),
    outcome: ({ status }) =>
      status?.phase === "Suspended" ? "off; its memory is saved to disk" : "off; there was no memory to save",
  }));
}

export async function reboot(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, (now) => {
    const request = now.toISOString();
    return {
      verb: "reboot",
      patch: { metadata: { annotations: { [rebootAnnotation]: request } } },
      refusal: isOnNow,
      isFulfilled: ({ status }) => status?.lastRebootRequest === request,
      outcome: (vm) => (isOnNow(vm) === undefined ? "the guest was asked to reboot" : "it went off meanwhile"),
    };
  });
}

export async function reset(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, (now) => {
    const request = now.toISOString();
    return {
      verb: "reset",
      patch: { metadata: { annotations: { [resetAnnotation]: request } } },
      refusal: isOnNow,
      isFulfilled: ({ status }) => status?.lastResetRequest === request,
      outcome: (vm) => (isOnNow(vm) === undefined ? "reset" : "it went off meanwhile"),
    };
  });
}

function isOnNow({ status }: VirtualMachine): string | undefined {
  const power = status?.powerState ?? "Off";
  return power === "On" || power === "Paused" ? undefined : `it is ${power === "Off" ? "off" : "suspended"}`;
}

export async function stop(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, stopWish(options.force === true));
}

export function stopWish(isForced: boolean): () => Wish {
  return () => ({
    verb: "stop",
    patch: { spec: { powerState: isForced ? "Off" : "OffGraceful" } },
    // Of a VM that waits for its image, say, nothing was made yet; as it shall be off, nothing will run.
    isFulfilled: (vm) => isCurrent(vm) && (vm.status?.phase === "Stopped" || vm.status?.id === undefined),
    outcome: (vm) => (vm.status?.id === undefined ? "not made yet; it will not be started" : stopOutcome(vm)),
  });
}

export async function restart(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, (now) => {
    const request = now.toISOString();
    return {
      verb: "restart",
      patch: { metadata: { annotations: { [restartAnnotation]: request } } },
      isFulfilled: (vm) => vm.status?.lastRestartRequest === request && vm.status.powerState === "On",
      outcome: (vm) => `running again; ${stopOutcome(vm)}`,
    };
  });
}

async function wishFor(names: readonly string[], options: PowerOptions, makeWish: (now: Date) => Wish): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const named = names.length === 0 ? [await onlyVm(session)] : names;
  await fulfil(
    session,
    named.map((name) => ({ namespace: session.namespace, name })),
    { ...options, signal, makeWish },
  );
}

/** Writes the wish into each VM and waits for all of them. */
export async function fulfil(
  session: Session,
  keys: readonly ObjectKey[],
  options: {
    readonly wait?: boolean;
    readonly timeout: number;
    readonly signal: AbortSignal;
    readonly makeWish: (now: Date) => Wish;
  },
): Promise<void> {
  using board = openBoard();
  await Promise.all(keys.map((key) => fulfilOne(session, key, { ...options, board })));
}

async function fulfilOne(
  session: Session,
  key: ObjectKey,
  options: {
    readonly wait?: boolean;
    readonly timeout: number;
    readonly signal: AbortSignal;
    readonly makeWish: (now: Date) => Wish;
    readonly board: Board;
  },
): Promise<void> {
  const { board, signal } = options;
  const wish = options.makeWish(new Date());
  const label = `vm/${key.name}`;
  if (wish.refusal !== undefined) {
    const why = wish.refusal(await session.client.get(VirtualMachine, key, { signal }));
    if (why !== undefined) throw new CliUserError(`Cannot ${wish.verb} VM "${key.name}": ${why}.`);
  }
  await session.client.mergePatch(VirtualMachine, key, wish.patch, { fieldManager: "viv", signal });
  if (options.wait === false) {
    print(`${label}: ${wish.verb} requested`);
    return;
  }
  const machine = await waitForEnd(
    session.client,
    { type: VirtualMachine, key },
    {
      label,
      board,
      isOver: (vm) => wish.isFulfilled(vm),
      stageOf,
      timeoutMs: options.timeout,
      signal,
      what: `VM "${key.name}"`,
      late: {
        text: `VM "${key.name}": ${wish.verb} is not done`,
        fix: [
          `viv status ${key.name}`,
          `viv logs ${key.name}`,
          ...(wish.verb === "stop" ? [`viv stop --force ${key.name}`] : []),
        ],
      },
      detached: { text: `the ${wish.verb} of VM "${key.name}"`, fix: [`viv status ${key.name}`] },
    },
  );
  print(`${label}: ${wish.outcome(machine)}`);
}

function isCurrent(vm: VirtualMachine): boolean {
  const seen = vm.status?.observedGeneration ?? readyCondition(vm)?.observedGeneration;
  return vm.status !== undefined && (seen === undefined || seen === vm.metadata.generation);
}

function stopOutcome(vm: VirtualMachine): string {
  const stop = vm.status?.lastStop;
  if (stop === undefined) return "stopped";
  const how = {
    Graceful: "shut down by the guest, as asked",
    Forced: "powered off (the plug was pulled)",
    Suspended: "its memory was saved to disk",
    BootRetry: "its boot had hung",
    Guest: "shut down from inside the guest",
    External: "stopped by somebody else on the host",
    Crashed: "it had crashed",
  }[stop.method];
  return `stopped: ${stop.message === undefined || stop.message === "" ? how : stop.message}`;
}
