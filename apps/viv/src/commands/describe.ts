// `viv describe`: an object for people: what it is, what holds of it, and what happened.

import { Event, type Condition, type KindDefinition, type KubeObject } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";
import { toYaml } from "../output/to-yaml.ts";
import { lastAppliedAnnotation } from "../resources/apply-object.ts";
import { parseReferences } from "../resources/find-kind.ts";
import { connect, type Session } from "../session/connect.ts";

export async function describe(first: string, names: readonly string[], options: GlobalOptions): Promise<void> {
  const references = parseReferences(first, names);
  await using session = await connect(options);
  let isFirst = true;
  for (const { kind, name } of references) {
    if (name === undefined) {
      throw new CliUserError(`Which ${kind.singular}?`, { fix: [`viv describe ${kind.singular} NAME`], exit: "usage" });
    }
    const key = kind.namespaced ? { namespace: session.namespace, name } : { name };
    const object = await session.client.get(kind, key);
    const events = await eventsOf(session, object);
    if (!isFirst) print("\n");
    isFirst = false;
    print(await describeObject(kind, object, { events, now: new Date() }));
  }
}

async function eventsOf(session: Session, object: KubeObject): Promise<readonly Event[]> {
  const selector = [`involvedObject.name=${object.metadata.name}`, `involvedObject.kind=${object.kind}`];
  const { namespace } = object.metadata;
  const { items } = await session.client.list(Event, {
    ...(namespace === undefined ? {} : { namespace }),
    fieldSelector: selector.join(","),
  });
  return items.toSorted((left, right) => (left.lastTimestamp ?? "").localeCompare(right.lastTimestamp ?? ""));
}

/** The text; `now` is what ages are counted from. */
export async function describeObject(
  kind: KindDefinition,
  object: KubeObject,
  { events, now }: { readonly events: readonly Event[]; readonly now: Date },
): Promise<string> {
  const { metadata } = object;
  const rest = object as unknown as Record<string, unknown>;
  const status = rest["status"] as { conditions?: readonly Condition[] } | undefined;
  const { conditions, ...plainStatus } = status ?? {};
  const lines = [
    row("Name", metadata.name),
    ...(metadata.namespace === undefined ? [] : [row("Namespace", metadata.namespace)]),
    row("Kind", `${kind.kind} (${object.apiVersion})`),
    row("Created", ageText(metadata.creationTimestamp, now)),
    ...(metadata.deletionTimestamp === undefined
      ? []
      : [row("Deleting since", ageText(metadata.deletionTimestamp, now))]),
    ...pairs("Labels", metadata.labels),
    ...pairs("Annotations", metadata.annotations, [lastAppliedAnnotation]),
  ];
  for (const [name, value] of Object.entries({ ...rest, status: plainStatus })) {
    if (["apiVersion", "kind", "metadata"].includes(name) || isEmpty(value)) continue;
    const isSecret = kind.kind === "Secret" && name === "data";
    const shown = isSecret ? secretSizes(value) : value;
    lines.push(`${capitalised(name)}:`, indented(await toYaml(shown)));
  }
  if (conditions !== undefined && conditions.length > 0) {
    const rows = conditions.map((each) => [
      each.type,
      each.status,
      each.reason,
      sinceText(each.lastTransitionTime, now),
      each.message,
    ]);
    lines.push("Conditions:", indented(textTable(["Type", "Status", "Reason", "Since", "Message"], rows)));
  }
  const eventRows = events.map((event) => [
    event.type ?? "",
    event.reason ?? "",
    sinceText(event.lastTimestamp ?? event.eventTime, now) + ((event.count ?? 1) > 1 ? ` (${event.count}x)` : ""),
    event.message ?? "",
  ]);
  if (eventRows.length === 0) lines.push(row("Events", "none"));
  else lines.push("Events:", indented(textTable(["Type", "Reason", "Age", "Message"], eventRows)));
  return lines.join("\n");
}

function row(label: string, value: string): string {
  return `${`${label}:`.padEnd(16)}${value}`;
}

function pairs(
  label: string,
  map: Readonly<Record<string, string>> | undefined,
  hidden: readonly string[] = [],
): readonly string[] {
  const shown = Object.entries(map ?? {}).filter(([key]) => !hidden.includes(key));
  return shown.map(([key, value], index) => row(index === 0 ? label : "", `${key}=${value}`).replace(/^:/, " "));
}

function secretSizes(data: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, `${Buffer.from(String(value), "base64").length} bytes`]),
  );
}

function ageText(time: string | undefined, now: Date): string {
  return time === undefined ? "" : `${time} (${sinceText(time, now)} ago)`;
}

function sinceText(time: string | undefined, now: Date): string {
  return time === undefined ? "" : formatDuration(now.getTime() - Date.parse(time));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
