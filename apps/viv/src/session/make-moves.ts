// Carries out a plan of moves: a VMMigration for each, and then a wait for all of them. What cannot be moved is told before.

import { apiVersionOf, formatKey, VMMigration } from "@vivarium/api";
import type { MovePlan } from "@vivarium/controllers";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";
import type { Session } from "./connect.ts";
import { detachedError } from "./interrupt.ts";
import { notSeen } from "./vm.ts";
import { waitForObject } from "./wait.ts";

/** The plan is printed before anything is done. */
export function printPlan({ moves, stays }: MovePlan): void {
  const nameOf = ({ vm }: MovePlan["moves"][number] | MovePlan["stays"][number]) => formatKey(vm.metadata);
  if (moves.length > 0) {
    const rows = moves.map((move) => [nameOf(move), move.from, move.to, move.why]);
    print(textTable(["vm", "from", "to", "why"], rows));
  }
  if (stays.length > 0) {
    const rows = stays.map((stay) => [nameOf(stay), stay.from, stay.why]);
    print(textTable(["vm that stays", "on", "why"], rows));
  }
}

interface WaitingOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly signal: AbortSignal;
}

export async function makeMoves(session: Session, { moves }: MovePlan, options: WaitingOptions): Promise<void> {
  const made: VMMigration[] = [];
  for (const { vm, to } of moves) {
    const { namespace = "", name } = vm.metadata;
    made.push(
      await session.client.create(
        VMMigration,
        {
          apiVersion: apiVersionOf(VMMigration),
          kind: VMMigration.kind,
          metadata: { namespace, name: `${name}-${Date.now().toString(36)}` },
          spec: { source: { vmRef: { name } }, target: { host: to }, metadata: { purpose: "maintenance" } },
        },
        { fieldManager: "viv" },
      ),
    );
  }
  if (options.wait === false) {
    for (const { metadata } of made) print(`vmmigration/${metadata.name}: made`);
    return;
  }
  using board = openBoard();
  const ends = await Promise.all(
    made.map(async (each) => {
      const label = `vmmigration/${each.metadata.name}`;
      const result = await waitForObject(
        session.client,
        { type: VMMigration, key: { namespace: each.metadata.namespace ?? "", name: each.metadata.name } },
        {
          until: (object) => object === undefined || ended.has(object.status?.phase ?? ""),
          timeoutMs: options.timeout,
          signal: options.signal,
          onChange: (object) => board.set(label, object === undefined ? notSeen : standingOf(object)),
          onTrouble: (error) => board.set("server", error.message),
        },
      );
      board.remove(label);
      return { label, result };
    }),
  );
  board.remove("server");
  const failed: string[] = [];
  for (const { label, result } of ends) {
    const standing = result.object === undefined ? notSeen : standingOf(result.object);
    if (result.kind === "detached") throw detachedError("the moves", ["viv get vmmigration -A"]);
    if (result.kind === "done" && result.object?.status?.phase === "Ready") print(`${label}: ${standing}`);
    else
      failed.push(
        `${label}: ${result.kind === "timeout" ? `not done after ${formatDuration(options.timeout)}; ` : ""}${standing}`,
      );
  }
  if (failed.length === 0) return;
  throw new CliUserError(`${failed.length} of ${made.length} moves were not made:\n  ${failed.join("\n  ")}`, {
    fix: ["viv get vmmigration -A -o wide"],
    exit: failed.length === made.length ? "failure" : "partial",
  });
}

const ended = new Set(["Ready", "Failed", "Cancelled"]);

function standingOf({ status, spec }: VMMigration): string {
  const text = status?.message ?? "not looked at yet";
  return `vm/${spec.source.vmRef.name} to host ${spec.target.host ?? ""}: ${text}`;
}
