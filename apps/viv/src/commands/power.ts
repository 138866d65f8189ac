// `viv start`, `stop` and `restart`: wishes written into the object, then waited for. What kubectl would do is the same one patch.

import { restartAnnotation, VirtualMachine, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard, type Board } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen, readyCondition, stageOf } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";

interface PowerOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly force?: boolean;
}

/** One power command: the patch that asks for it, and how its fulfilment is recognised. */
interface Wish {
  readonly verb: "start" | "stop" | "restart";
  readonly patch: object;
  isFulfilled(vm: VirtualMachine): boolean;
  /** Said when it is. */
  outcome(vm: VirtualMachine): string;
}

export async function start(names: readonly string[], options: PowerOptions): Promise<void> {
  await wishFor(names, options, () => ({
    verb: "start",
    patch: { spec: { powerState: "On" } },
    isFulfilled: (vm) => isCurrent(vm) && vm.status?.powerState === "On",
    outcome: () => "running",
  }));
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
  await fulfil(
    session,
    names.map((name) => ({ namespace: session.namespace, name })),
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
  await session.client.mergePatch(VirtualMachine, key, wish.patch, { fieldManager: "viv", signal });
  if (options.wait === false) {
    print(`${label}: ${wish.verb} requested`);
    return;
  }
  const result = await waitForObject(
    session.client,
    { type: VirtualMachine, key },
    {
      until: (vm) => vm === undefined || wish.isFulfilled(vm),
      timeoutMs: options.timeout,
      signal,
      onChange: (vm) => {
        board.remove("server");
        board.set(label, stageOf(vm));
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  board.remove(label);
  switch (result.kind) {
    case "done":
      if (result.object === undefined)
        throw new CliUserError(`VM "${key.name}" was deleted meanwhile.`, { exit: "notFound" });
      print(`${label}: ${wish.outcome(result.object)}`);
      return;
    case "detached":
      throw detachedError(`the ${wish.verb} of VM "${key.name}"`, [`viv status ${key.name}`]);
    case "timeout":
      throw new CliUserError(
        `VM "${key.name}": ${wish.verb} is not done after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.isKnown ? stageOf(result.object) : notSeen}`,
        {
          fix: [
            `viv status ${key.name}`,
            `viv logs ${key.name}`,
            ...(wish.verb === "stop" ? [`viv stop --force ${key.name}`] : []),
          ],
          exit: "timeout",
        },
      );
  }
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
    Guest: "shut down from inside the guest",
    External: "stopped by somebody else on the host",
    Crashed: "it had crashed",
  }[stop.method];
  return `stopped: ${stop.message === undefined || stop.message === "" ? how : stop.message}`;
}
