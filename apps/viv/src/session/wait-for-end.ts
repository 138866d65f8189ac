// Waits until the work on an object has come to its end, with a line that tells how far it is. A wait that ends otherwise is told as an
// error: the object is gone, the time is over, the user detached.

import type { KubeObject, ObjectKey, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { Board } from "../output/board.ts";
import { detachedError } from "./interrupt.ts";
import { notSeen } from "./vm.ts";
import { waitForObject } from "./wait.ts";

interface Ending<T> {
  /** Of its line on the board: `vm/web-1`. */
  readonly label: string;
  readonly board: Board;
  readonly isOver: (object: T) => boolean;
  readonly stageOf: (object: T) => string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What the object is to the user: `Snapshot "before"`. */
  readonly what: string;
  readonly late: {
    /** `Snapshot "before" is not taken`. */
    readonly text: string;
    readonly fix: readonly string[];
    /** The object itself has this time-out, too, so that the server does not go on. */
    readonly isOver?: boolean;
  };
  readonly detached: {
    /** What goes on in the server; the label when absent. */
    readonly text?: string;
    readonly fix: readonly string[];
  };
}

/** The object as it is at its end. */
export async function waitForEnd<T extends KubeObject>(
  client: Client,
  target: { readonly type: ResourceType<T>; readonly key: ObjectKey },
  { label, board, isOver, stageOf, timeoutMs, signal, what, late, detached }: Ending<T>,
): Promise<T> {
  const stage = (object: T | undefined): string => (object === undefined ? "it does not exist" : stageOf(object));
  const result = await waitForObject(client, target, {
    until: (object) => object === undefined || isOver(object),
    timeoutMs,
    signal,
    onChange(object) {
      board.remove("server");
      board.set(label, stage(object));
    },
    onTrouble: (error) => board.set("server", error.message),
  });
  board.remove(label);
  switch (result.kind) {
    case "done":
      if (result.object !== undefined) return result.object;
      throw new CliUserError(`${what} was deleted meanwhile.`, { exit: "notFound" });
    case "detached":
      throw detachedError(detached.text ?? label, detached.fix);
    case "timeout": {
      const goesOn = late.isOver === true ? "" : "; the server goes on";
      throw new CliUserError(
        `${late.text} after ${formatDuration(timeoutMs)}${goesOn}.\n  stage: ${result.isKnown ? stage(result.object) : notSeen}`,
        { fix: late.fix, exit: "timeout" },
      );
    }
  }
}
