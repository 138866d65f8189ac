// `viv operations`: long work on objects, what goes on and what was done, the newest last.

import { formatDuration, Operation } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";

interface OperationsOptions extends GlobalOptions {
  readonly allNamespaces?: boolean;
  readonly running?: boolean;
  readonly failed?: boolean;
  readonly output?: "json" | "yaml" | "name";
}

export async function operations(object: string | undefined, options: OperationsOptions): Promise<void> {
  await using session = await connect(options);
  const { items } = await session.client.list(
    Operation,
    options.allNamespaces === true ? {} : { namespace: session.namespace },
  );
  const shown = items
    .filter((each) => object === undefined || each.object.name === object)
    .filter(({ phase }) => options.running !== true || phase === "Running")
    .filter(({ phase }) => options.failed !== true || phase === "Failed")
    .toSorted((a, b) => Date.parse(a.startTime) - Date.parse(b.startTime));
  if (options.output !== undefined) {
    await showObjects(
      shown.map((each) => ({ kind: Operation, object: each })),
      { format: options.output, single: false },
    );
    return;
  }
  if (shown.length === 0) tell("No such work is known of; what takes less than a second is not recorded.");
  else print(operationsTable(shown, { now: new Date(), allNamespaces: options.allNamespaces === true }));
}

/** Pure. */
export function operationsTable(
  operations: readonly Operation[],
  { now, allNamespaces }: { readonly now: Date; readonly allNamespaces: boolean },
): string {
  return textTable(
    [...(allNamespaces ? ["namespace"] : []), "started", "verb", "object", "outcome", "duration", "usual", "message"],
    operations.map((each) => [
      ...(allNamespaces ? [each.metadata.namespace ?? ""] : []),
      each.startTime,
      each.verb,
      `${each.object.kind.toLowerCase()}/${each.object.name}`,
      each.phase + (each.overdue === true ? " (overdue)" : ""),
      each.duration ?? formatDuration(now.getTime() - Date.parse(each.startTime)),
      each.usual ?? "",
      each.phase === "Succeeded" ? "" : (each.message ?? ""),
    ]),
  );
}
