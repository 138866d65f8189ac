// The reference page of a kind: what `kubectl explain` says, all at once.

import { apiVersionOf, toCustomResourceDefinition } from "@vivarium/api";
import type { JsonSchema, KindDefinition } from "@vivarium/api";

/** `virtual-machine.md`, the same word as the kind's source file. */
export function kindFileName(kind: KindDefinition): string {
  // Two groups have an Event: the one outside the core group says which it is.
  return kind.group === "events.k8s.io" ? "events-event.md" : `${kebabCase(kind.kind)}.md`;
}

/** `VMNetworkAttachment` → `vm-network-attachment`. */
function kebabCase(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .toLowerCase();
}

export function toReferencePage(kind: KindDefinition): string {
  const version = toCustomResourceDefinition(kind).spec.versions[0];
  const schema = version?.schema.openAPIV3Schema ?? {};
  const names = [kind.plural, kind.singular, ...kind.shortNames].map((name) => `\`${name}\``).join(", ");
  const lines = [
    `# ${kind.kind}`,
    "",
    "<!-- Generated from packages/api by `npm run generate`; do not edit. -->",
    "",
    kind.description,
    "",
    `- apiVersion: \`${apiVersionOf(kind)}\``,
    `- names: ${names}`,
    `- scope: ${kind.namespaced ? "namespace" : "cluster"}`,
    `- status subresource: ${kind.hasStatus ? "yes" : "no"}`,
    "",
  ];
  if (kind.printerColumns.length > 0) {
    lines.push("## Columns", "", "| column | field | shown |", "|---|---|---|");
    for (const column of kind.printerColumns) {
      const shown = (column.priority ?? 0) > 0 ? "with `-o wide`" : "always";
      lines.push(`| ${column.name} | \`${cell(column.jsonPath)}\` | ${shown} |`);
    }
    lines.push("");
  }
  const { spec, status, ...others } = schema.properties ?? {};
  const own = Object.entries(others).filter(([name]) => !["apiVersion", "kind", "metadata"].includes(name));
  if (own.length > 0) {
    const fields: JsonSchema = { type: "object", properties: Object.fromEntries(own), required: schema.required ?? [] };
    lines.push("## Fields", "", ...fieldTable(fields, ""));
  }
  if (spec !== undefined) lines.push("## spec", "", spec.description ?? "", "", ...fieldTable(spec, "spec"));
  if (status !== undefined) lines.push("## status", "", status.description ?? "", "", ...fieldTable(status, "status"));
  return `${lines.join("\n").trimEnd()}\n`;
}

export function toReferenceIndex(kinds: readonly KindDefinition[], coreKinds: readonly KindDefinition[]): string {
  const row = (kind: KindDefinition) =>
    `| [${kind.kind}](${kindFileName(kind)}) | \`${apiVersionOf(kind)}\` | ${kind.description} |`;
  return [
    "# Reference",
    "",
    "<!-- Generated from packages/api by `npm run generate`; do not edit. -->",
    "",
    "| kind | apiVersion | |",
    "|---|---|---|",
    ...kinds.map(row),
    ...coreKinds.map(row),
    "",
  ].join("\n");
}

function fieldTable(schema: JsonSchema, path: string): string[] {
  return ["| field | type | default | |", "|---|---|---|---|", ...fieldRows(schema, path), ""];
}

function* fieldRows(schema: JsonSchema, path: string): Generator<string> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const fieldPath = path === "" ? name : `${path}.${name}`;
    const required = schema.required?.includes(name) === true ? " **required**" : "";
    const initial = field.default === undefined ? "" : `\`${cell(JSON.stringify(field.default))}\``;
    const text = [field.description, boundsOf(field)].filter((part) => part !== undefined && part !== "").join(" ");
    yield `| \`${fieldPath}\`${required} | ${typeOf(field)} | ${initial} | ${cell(text)} |`;
    yield* fieldRows(field, fieldPath);
    if (field.items !== undefined) yield* fieldRows(field.items, `${fieldPath}[]`);
    if (field.additionalProperties !== undefined) yield* fieldRows(field.additionalProperties, `${fieldPath}.*`);
  }
}

function typeOf(field: JsonSchema): string {
  if (field["x-kubernetes-int-or-string"] === true) return "quantity";
  if (field["x-kubernetes-preserve-unknown-fields"] === true) return field.type === undefined ? "any" : "any object";
  if (field.items !== undefined) return `list of ${typeOf(field.items)}`;
  if (field.additionalProperties !== undefined) return `map of ${typeOf(field.additionalProperties)}`;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${String(value)}\``).join(" ");
  return field.format ?? field.type ?? "any";
}

function boundsOf(field: JsonSchema): string {
  const parts: string[] = [];
  const range = (low: number | undefined, high: number | undefined, what: string) => {
    if (low !== undefined && high !== undefined) parts.push(`${low} to ${high}${what}`);
    else if (low !== undefined) parts.push(`at least ${low}${what}`);
    else if (high !== undefined) parts.push(`at most ${high}${what}`);
  };
  range(field.minimum, field.maximum, "");
  range(field.minLength, field.maxLength, " characters");
  range(field.minItems, field.maxItems, " entries");
  range(undefined, field.maxProperties, " entries");
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}

/** Text that stays within one cell of a table. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}
