// Label selectors: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors).

import { badRequest } from "../errors.ts";
import { isLabelValue, isQualifiedName } from "../meta/names.ts";

export type Labels = Readonly<Record<string, string>>;

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "!" | ">" | "<";
  readonly values: readonly string[];
}

/** Undefined when every object matches. */
export function parseLabelSelector(text: string | null): ((labels: Labels) => boolean) | undefined {
  if (text === null || text.trim() === "") return undefined;
  const requirements = splitRequirements(text).map((part) => parseRequirement(part));
  return (labels) => requirements.every((requirement) => isMet(requirement, labels));
}

function isMet({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case ">":
      return value !== undefined && Number(value) > Number(values[0]);
    case "<":
      return value !== undefined && Number(value) < Number(values[0]);
  }
}

/** At commas outside parentheses. */
function splitRequirements(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === "(") depth++;
    else if (character === ")") depth--;
    else if (character === "," && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

const setBased = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const equality = /^([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>]*)$/;

function parseRequirement(part: string): Requirement {
  const text = part.trim();
  const set = setBased.exec(text);
  const requirement =
    set === null
      ? parseEquality(text)
      : {
          key: set[1] ?? "",
          operator: set[2] as "in" | "notin",
          values: (set[3] ?? "").split(",").map((value) => value.trim()),
        };
  if (requirement === undefined || !isQualifiedName(requirement.key) || !requirement.values.every(isLabelValue))
    throw badRequest(
      `unable to parse requirement: found ${JSON.stringify(text)}, expected key, !key, key=value, key!=value, key in (values) or key notin (values)`,
    );
  return requirement;
}

function parseEquality(text: string): Requirement | undefined {
  const match = equality.exec(text);
  if (match === null) {
    return text.startsWith("!")
      ? { key: text.slice(1).trim(), operator: "!", values: [] }
      : { key: text, operator: "exists", values: [] };
  }
  const [, key = "", sign = "", value = ""] = match;
  if (sign === ">" || sign === "<") return /^-?\d+$/.test(value) ? { key, operator: sign, values: [value] } : undefined;
  return { key, operator: sign === "!=" ? "notin" : "in", values: [value] };
}
