// `viv get`: objects as tables, JSON, YAML or names.

import { VMGroup, type KindDefinition, type KubeObject } from "@vivarium/api";
import type { ApiClient } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { qualifiedKind, showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { parseReferences, type ObjectReference } from "../resources/find-kind.ts";
import { fetchTable, tableText, type ServerTable } from "../resources/server-table.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";

export interface GetOptions extends GlobalOptions {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly watch?: boolean;
  readonly output?: "json" | "yaml" | "wide" | "name";
}

export async function get(first: string, names: readonly string[], options: GetOptions): Promise<void> {
  const references = parseReferences(first, names);
  await using session = await connect(options);
  const format = options.output;
  if (format === "json" || format === "yaml" || format === "name") {
    const found = (await Promise.all(references.map((reference) => fetchObjects(session, reference, options)))).flat();
    const single = references.length === 1 && references[0]?.name !== undefined;
    await showObjects(found, { format, single });
  } else {
    await showTables(session, references, options);
  }
  if (options.watch === true) await watch(session, references, options);
}

export async function listGroups(options: GetOptions): Promise<void> {
  await get(VMGroup.plural, [], options);
}

function namespaceFor(session: Session, kind: KindDefinition, options: GetOptions): { namespace?: string } {
  return kind.namespaced && options.allNamespaces !== true ? { namespace: session.namespace } : {};
}

async function fetchObjects(
  session: Session,
  { kind, name }: ObjectReference,
  options: GetOptions,
): Promise<readonly { kind: KindDefinition; object: KubeObject }[]> {
  const scope = namespaceFor(session, kind, options);
  if (name !== undefined) return [{ kind, object: await session.client.get(kind, { ...scope, name }) }];
  const selector = options.selector === undefined ? {} : { labelSelector: options.selector };
  const { items } = await session.client.list(kind, { ...scope, ...selector });
  return items.map((object) => ({ kind, object }));
}

async function showTables(
  session: Session,
  references: readonly ObjectReference[],
  options: GetOptions,
): Promise<void> {
  const kinds = [...new Set(references.map((reference) => reference.kind))];
  let shown = 0;
  for (const kind of kinds) {
    const ofKind = references.filter((reference) => reference.kind === kind);
    const tables = await Promise.all(
      ofKind.map((reference) => tableOf(session.client, reference, { session, options })),
    );
    const [table] = tables;
    if (table === undefined) continue;
    const merged = { ...table, rows: tables.flatMap((each) => each.rows) };
    if (merged.rows.length === 0) continue;
    if (shown > 0) print("");
    const prefix = kinds.length > 1 ? `${qualifiedKind(kind)}/` : "";
    const wide = options.output === "wide";
    const { header, rows } = tableText(merged, {
      wide,
      withNamespace: options.allNamespaces === true && kind.namespaced,
    });
    const nameColumn = header.findIndex((name) => name.toLowerCase() === "name");
    print(
      textTable(
        header,
        rows.map((row) => row.map((cell, column) => (column === nameColumn ? prefix + cell : cell))),
      ),
    );
    shown += merged.rows.length;
  }
  if (shown === 0) {
    tell(
      options.allNamespaces === true ? "No objects found." : `No objects found in namespace "${session.namespace}".`,
    );
  }
}

function tableOf(
  client: ApiClient,
  { kind, name }: ObjectReference,
  { session, options }: { readonly session: Session; readonly options: GetOptions },
): Promise<ServerTable> {
  const target = { kind, ...namespaceFor(session, kind, options), ...(name === undefined ? {} : { name }) };
  return fetchTable(client, target, options.selector === undefined ? {} : { selector: options.selector });
}

/** Prints the object's row, or the object, at each change until Ctrl-C. */
async function watch(session: Session, references: readonly ObjectReference[], options: GetOptions): Promise<void> {
  const [reference, ...others] = references;
  if (reference === undefined || others.length > 0) {
    throw new CliUserError("Only one kind or object can be watched at once.", { exit: "usage" });
  }
  const { kind, name } = reference;
  using signal = interruptSignal();
  const scope = namespaceFor(session, kind, options);
  const selection = {
    ...scope,
    ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
    ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
    signal,
  };
  let { resourceVersion } = await session.client.list(kind, selection);
  while (!signal.aborted) {
    for await (const event of session.client.watch(kind, { ...selection, resourceVersion })) {
      if (event.type === "BOOKMARK") {
        resourceVersion = event.resourceVersion;
        continue;
      }
      resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
      await showChange(session, { kind, object: event.object, isGone: event.type === "DELETED" }, options);
    }
  }
}

async function showChange(
  session: Session,
  { kind, object, isGone }: { kind: KindDefinition; object: KubeObject; isGone: boolean },
  options: GetOptions,
): Promise<void> {
  const { format } = { format: options.output };
  if (format === "json" || format === "yaml" || format === "name") {
    await showObjects([{ kind, object }], { format, single: true });
    return;
  }
  if (isGone) {
    print(`${object.metadata.name}   deleted`);
    return;
  }
  const { name, namespace } = object.metadata;
  const scope = namespace === undefined ? {} : { namespace };
  const table = await fetchTable(session.client, { kind, name, ...scope }).catch(() => undefined);
  if (table === undefined) return;
  const withNamespace = options.allNamespaces === true && kind.namespaced;
  for (const row of tableText(table, { wide: format === "wide", withNamespace }).rows) print(row.join("   "));
}
