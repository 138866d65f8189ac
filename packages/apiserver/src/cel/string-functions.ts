// Strings: find and findAll; charAt, replace, reverse and format of CEL's own extension.

import type { Environment } from "@marcbachmann/cel-js";
import { toRegExp } from "../schema/go-regexp.ts";

/** Patterns are mostly literals: the same few again and again. */
const patterns = new Map<string, RegExp>();
const maxPatterns = 500;

export function registerStrings(environment: Environment): void {
  const findAll = (text: string, pattern: string, limit: bigint): string[] => {
    const found = [...text.matchAll(compiled(pattern))].map((match) => match[0]);
    return limit < 0n ? found : found.slice(0, Number(limit));
  };
  const replace = (text: string, from: string, to: string, limit: bigint): string => {
    if (limit < 0n) return text.replaceAll(from, () => to);
    let rest = Number(limit);
    return text.replaceAll(from, () => (rest-- > 0 ? to : from));
  };
  environment
    .registerFunction(
      "string.find(string): string",
      (text: string, pattern: string) => findAll(text, pattern, 1n)[0] ?? "",
    )
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) =>
      findAll(text, pattern, -1n),
    )
    .registerFunction("string.findAll(string, int): list<string>", findAll)
    .registerFunction("string.charAt(int): string", (text: string, index: bigint) => {
      const characters = Array.from(text);
      if (index < 0n || index > characters.length)
        throw new RangeError(`charAt(${index}): expected an index within 0 and ${characters.length}`);
      return characters[Number(index)] ?? "";
    })
    .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) =>
      replace(text, from, to, -1n),
    )
    .registerFunction("string.replace(string, string, int): string", replace)
    .registerFunction("string.reverse(): string", (text: string) => Array.from(text).toReversed().join(""))
    .registerFunction("string.format(list): string", format);
}

function compiled(pattern: string): RegExp {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const { source, flags } = toRegExp(pattern);
  const made = new RegExp(source, `${flags}g`);
  if (patterns.size >= maxPatterns) patterns.clear();
  patterns.set(pattern, made);
  return made;
}

/** `%s`, `%d`, `%f` with a precision, `%e`, `%x`, `%X`, `%o`, `%b`, `%%`. */
function format(template: string, values: readonly unknown[]): string {
  let next = 0;
  return template.replaceAll(/%(?:\.(\d+))?([sdfexXob%])/g, (_, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= values.length) throw new RangeError(`format: index ${next} out of range`);
    return formatOne(values[next++], verb, precision === undefined ? 6 : Number(precision));
  });
}

function formatOne(value: unknown, verb: string, precision: number): string {
  if (verb === "s") return show(value);
  if (typeof value !== "number" && typeof value !== "bigint")
    throw new TypeError(`format: %${verb} wants a number, got ${show(value)}`);
  switch (verb) {
    case "f":
      return Number(value).toFixed(precision);
    case "e":
      return Number(value).toExponential(precision);
    case "x":
      return value.toString(16);
    case "X":
      return value.toString(16).toUpperCase();
    case "o":
      return value.toString(8);
    case "b":
      return value.toString(2);
    default:
      return value.toString();
  }
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${show(key)}: ${show(item)}`).join(", ")}}`;
  if (value instanceof Date) return value.toISOString().replace(/\.000Z$/, "Z");
  return String(value);
}
