// Waits until VMs are Ready, showing what the server does meanwhile: images, phases, conditions, events.

import { formatKey, VirtualMachine, VMImage, type Event, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import { openBoard, type Board } from "../output/board.ts";
import { styled } from "../output/style.ts";
import type { Session } from "./connect.ts";
import { followEvents } from "./follow-events.ts";
import { followObject } from "./follow-object.ts";
import { imageProgress } from "./image-progress.ts";
import { detachedError } from "./interrupt.ts";
import { lastSerialLine } from "./serial-log.ts";
import { isReady, notSeen, readyCondition, stageOf } from "./vm.ts";
import { waitForObject } from "./wait.ts";

export async function waitForVms(
  session: Session,
  keys: readonly ObjectKey[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<readonly VirtualMachine[]> {
  using board = openBoard();
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, options.signal]);
  const lastEvents = new Map<string, Event>();
  const background = [...namespacesOf(keys)].map((namespace) =>
    followEvents(
      session.client,
      { namespace, since: new Date() },
      {
        signal,
        onEvent: (event) => {
          const name = event.involvedObject.name ?? "";
          if (event.involvedObject.kind === VirtualMachine.kind) lastEvents.set(name, event);
          // What goes well shows in the lines of the VM and its image.
          if (event.type === "Warning") board.log(warningLine(event));
        },
      },
    ),
  );
  try {
    return await Promise.all(keys.map((key) => waitForOne(session, key, { ...options, board, lastEvents })));
  } finally {
    end.abort();
    await Promise.allSettled(background);
  }
}

async function waitForOne(
  session: Session,
  key: ObjectKey,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly board: Board;
    readonly lastEvents: ReadonlyMap<string, Event>;
  },
): Promise<VirtualMachine> {
  const { board } = options;
  const label = `vm/${key.name}`;
  const images = new ImageLines(session, board);
  let lastReason = "";
  const result = await waitForObject(
    session.client,
    { type: VirtualMachine, key },
    {
      until: isReady,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      onChange: (vm) => {
        board.remove("server");
        const reason = vm === undefined ? "" : `${vm.status?.phase ?? ""} ${readyCondition(vm)?.reason ?? ""}`;
        board.set(label, stageBesideImage(vm), { important: reason !== lastReason });
        lastReason = reason;
        images.follow(vm);
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  ).finally(() => images.stop());
  board.remove(label);
  switch (result.kind) {
    case "done":
      if (result.object === undefined) throw new Error(`VM ${formatKey(key)} is Ready and absent at once`);
      board.log(`${label}: ${styled("green", "Ready")}`);
      return result.object;
    case "detached":
      throw detachedError(`the work on VM "${key.name}"`, [`viv status ${key.name}`, `viv get vm ${key.name} -w`]);
    case "timeout":
      throw await timeoutError(session, key, { ...options, stage: result.isKnown ? stageOf(result.object) : notSeen });
  }
}

/** The lines of the images that VMs wait for. */
class ImageLines {
  readonly #session: Session;
  readonly #board: Board;
  readonly #stop = new AbortController();
  #followed: string | undefined;

  constructor(session: Session, board: Board) {
    this.#session = session;
    this.#board = board;
  }

  follow(vm: VirtualMachine | undefined): void {
    const reference = vm?.spec.imageRef;
    if (reference === undefined || this.#followed !== undefined) return;
    this.#followed = reference.name;
    const namespace = reference.namespace ?? vm?.metadata.namespace;
    const key = namespace === undefined ? { name: reference.name } : { namespace, name: reference.name };
    void this.#show(key);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #show(key: ObjectKey): Promise<void> {
    const label = `image/${key.name}`;
    let lastPhase: string | undefined;
    const { signal } = this.#stop;
    // The wait itself reports errors; a line that cannot be shown must not end it.
    try {
      for await (const image of followObject(this.#session.client, { type: VMImage, key }, { signal })) {
        if (image === undefined) continue;
        const phase = image.status?.phase;
        if (image.status?.ready === true) {
          if (lastPhase !== undefined) this.#board.log(`${label}: ready`);
          this.#board.remove(label);
          return;
        }
        this.#board.set(label, imageProgress(image), { important: phase !== lastPhase });
        lastPhase = phase ?? "";
      }
    } catch {
      this.#board.remove(label);
    }
  }
}

function namespacesOf(keys: readonly ObjectKey[]): ReadonlySet<string> {
  return new Set(keys.flatMap((key) => (key.namespace === undefined ? [] : [key.namespace])));
}

function warningLine(event: Event): string {
  const object = (event.involvedObject.kind ?? "").toLowerCase();
  const kind = { virtualmachine: "vm", vmimage: "image" }[object] ?? object;
  return styled("yellow", `${kind}/${event.involvedObject.name ?? ""}: ${event.reason ?? ""}: ${event.message ?? ""}`);
}

/** The image has a line of its own. */
function stageBesideImage(vm: VirtualMachine | undefined): string {
  const isWaiting = vm !== undefined && readyCondition(vm)?.reason === "ImageNotReady";
  return isWaiting ? `waiting for image "${vm.spec.imageRef?.name ?? ""}"` : stageOf(vm);
}

async function timeoutError(
  session: Session,
  key: ObjectKey,
  state: {
    readonly timeoutMs: number;
    readonly lastEvents: ReadonlyMap<string, Event>;
    readonly stage: string;
  },
): Promise<CliUserError> {
  const event = state.lastEvents.get(key.name);
  const serial = await lastSerialLine(session, key);
  const lines = [
    `VM "${key.name}" is not Ready after ${formatDuration(state.timeoutMs)}; the server goes on.`,
    `  stage: ${state.stage}`,
    ...(event === undefined ? [] : [`  last event: ${event.reason ?? ""}: ${event.message ?? ""}`]),
    ...(serial === undefined ? [] : [`  last serial line: ${serial}`]),
  ];
  return new CliUserError(lines.join("\n"), {
    fix: [`viv describe vm ${key.name}`, `viv logs ${key.name}`, `viv get vm ${key.name} -w`],
    exit: "timeout",
  });
}
