// Manifests from files, folders and stdin. A YAML error names file, line and column; nothing is applied before all of them are read.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { KindDefinition, KubeObject } from "@vivarium/api";
import { LineCounter, parseAllDocuments, type Document } from "yaml";
import { CliUserError } from "../cli-error.ts";
import { kindOf } from "./find-kind.ts";

export interface Manifest {
  readonly kind: KindDefinition;
  readonly object: KubeObject;
  /** For messages: `file.yaml:12`. */
  readonly where: string;
}

const extensions: readonly string[] = [".yaml", ".yml", ".json"];

export async function loadManifests(paths: readonly string[]): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    for (const file of filesOf(path)) {
      const content = file === "-" ? await text(process.stdin) : readFileSync(file, "utf8");
      manifests.push(...parseManifests(content, file === "-" ? "<stdin>" : file));
    }
  }
  if (manifests.length === 0) {
    throw new CliUserError(`There are no objects in ${paths.join(", ")}.`, { exit: "invalid" });
  }
  return manifests;
}

function filesOf(path: string): readonly string[] {
  if (path === "-") return [path];
  try {
    if (!statSync(path).isDirectory()) return [path];
  } catch (error) {
    throw new CliUserError(`Cannot read ${path}: ${(error as Error).message}`, { exit: "usage", cause: error });
  }
  return readdirSync(path)
    .filter((name) => extensions.includes(extname(name)))
    .sort()
    .map((name) => join(path, name));
}

/** Pure: the objects of one file. */
export function parseManifests(content: string, file: string): readonly Manifest[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(content, { lineCounter, prettyErrors: false });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document: Document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      throw new CliUserError(`Malformed YAML at ${file}:${line}:${col}: ${error.message}`, {
        fix: ["Mend the file; nothing of it was applied."],
        exit: "invalid",
      });
    }
    const line = lineCounter.linePos(document.contents?.range?.[0] ?? 0).line;
    return objectsOf(document.toJS() as unknown, `${file}:${line}`);
  });
}

function objectsOf(value: unknown, where: string): readonly Manifest[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value)) throw invalid(where, "expected an object with apiVersion, kind and metadata");
  const { apiVersion, kind, items } = value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") throw invalid(where, "apiVersion or kind is missing");
  if (kind === "List" && Array.isArray(items)) return (items as unknown[]).flatMap((item) => objectsOf(item, where));
  const metadata = value["metadata"];
  if (!isRecord(metadata) || typeof metadata["name"] !== "string")
    throw invalid(where, `${kind}: metadata.name is missing`);
  const definition = kindOf({ apiVersion, kind });
  if (definition === undefined) throw invalid(where, `this viv has no kind "${kind}" in ${apiVersion}`);
  return [{ kind: definition, object: value as unknown as KubeObject, where }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(where: string, what: string): CliUserError {
  return new CliUserError(`Invalid manifest at ${where}: ${what}.`, { exit: "invalid" });
}
