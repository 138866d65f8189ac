// Lists as the server prints them: it knows the columns, so that viv and kubectl show the same.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables

import type { KindDefinition } from "@vivarium/api";
import { resourcePath, type ApiClient } from "@vivarium/client";
import { readJson } from "./read-json.ts";

const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

export interface ServerTable {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority?: number }[];
  readonly rows: readonly {
    readonly cells: readonly unknown[];
    readonly object: { readonly metadata: { readonly name: string; readonly namespace?: string } };
  }[];
}

export async function fetchTable(
  client: ApiClient,
  target: { readonly kind: KindDefinition; readonly namespace?: string; readonly name?: string },
  options: { readonly selector?: string; readonly signal?: AbortSignal } = {},
): Promise<ServerTable> {
  const { kind, namespace, name } = target;
  const response = await client.send({
    method: "GET",
    path: resourcePath(kind, {
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
    }),
    query: new URLSearchParams(options.selector === undefined ? {} : { labelSelector: options.selector }),
    headers: { accept: tableType },
    body: new Uint8Array(0),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return readJson<ServerTable>(response);
}

/** Header and rows for `textTable`; cells without a value are empty. */
export function tableText(
  table: ServerTable,
  options: { readonly wide: boolean; readonly withNamespace: boolean },
): { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const shown = table.columnDefinitions.flatMap((column, index) =>
    options.wide || (column.priority ?? 0) === 0 ? [index] : [],
  );
  const header = shown.map((index) => table.columnDefinitions[index]?.name ?? "");
  const rows = table.rows.map((row) => {
    const cells = shown.map((index) => cellText(row.cells[index]));
    return options.withNamespace ? [row.object.metadata.namespace ?? "", ...cells] : cells;
  });
  return { header: options.withNamespace ? ["Namespace", ...header] : header, rows };
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "string" ? cell : JSON.stringify(cell);
}
