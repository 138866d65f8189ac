// Checks a `#cloud-config` against cloud-init's own JSON schema, and says where in the text each mistake is.

import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";
import { isMap, isNode, isPair, LineCounter, parseDocument } from "yaml";
import type { Document } from "yaml";
import schema from "../vendor/cloud-init/schema-cloud-config-v1.json" with { type: "json" };
import { explainErrors } from "./schema-errors.ts";
import type { PathSegment } from "./schema-errors.ts";
import type { UserDataProblem } from "./user-data.ts";

/** Keys that cloud-init reads but its schema does not know. */
const furtherKeys = [
  "datasource",
  "datasource_list",
  "system_info",
  "vendor_data2",
  "network",
  "debug",
  "def_log_file",
  "log_cfgs",
];

/** The text is untrusted: an alias may not blow it up. */
const maxAliases = 1000;

export function checkCloudConfig(text: string): readonly UserDataProblem[] {
  const lines = new LineCounter();
  // PyYAML reads YAML 1.1: `yes` is true and 0644 is a number.
  const document = parseDocument(text, { version: "1.1", lineCounter: lines, prettyErrors: false, logLevel: "error" });
  // A tag that is not known is a warning here and an error for cloud-init.
  const syntax = [...document.errors, ...document.warnings.filter((warning) => warning.code === "TAG_RESOLVE_FAILED")];
  if (syntax.length > 0) {
    return syntax.map((error) => ({
      path: "",
      line: lines.linePos(error.pos[0]).line,
      message: `YAML: ${error.message}`,
    }));
  }
  let config: unknown;
  try {
    // cloud-init takes !!binary for a string.
    config = document.toJS({
      maxAliasCount: maxAliases,
      reviver: (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value),
    });
  } catch (error) {
    return [{ path: "", message: `YAML: ${error instanceof Error ? error.message : String(error)}` }];
  }
  if (config === null || config === undefined) return [];
  if (!isMap(document.contents)) {
    return [
      {
        path: "",
        line: 1,
        message: `is ${Array.isArray(config) ? "a list" : "a single value"}, expected keys with values`,
      },
    ];
  }
  const validate = validator();
  if (validate(config)) return [];
  return explainErrors(validate.errors ?? [], config).map(({ path, message }) => {
    const line = lineOf(document, { path, lines });
    return { path: formatPath(path), ...(line !== undefined && { line }), message };
  });
}

let compiled: ValidateFunction | undefined;

/** Compiled at first use: it takes longer than all else at the start of a program that may never need it. */
function validator(): ValidateFunction {
  if (compiled !== undefined) return compiled;
  // Ajv does not know draft 4's meta-schema, nor does this schema use what differs in it.
  const { $schema: _, ...rest } = schema as { $schema: string; properties: Record<string, object> };
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true, validateFormats: false, logger: false });
  compiled = ajv.compile({
    ...rest,
    properties: { ...rest.properties, ...Object.fromEntries(furtherKeys.map((key) => [key, {}])) },
  });
  return compiled;
}

function lineOf(
  document: Document,
  { path, lines }: { path: readonly PathSegment[]; lines: LineCounter },
): number | undefined {
  const last = path.at(-1);
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  // A key's line says more than that of its value, which may start below it.
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(last));
    if (isNode(pair?.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
  }
  const node = document.getIn(path, true);
  return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
}

/** `users[0].name` */
function formatPath(path: readonly PathSegment[]): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`;
    else text += text === "" ? segment : `.${segment}`;
  }
  return text;
}
