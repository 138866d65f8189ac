// A rule that is a mere switch in one form of the API and an object in the other. What is neither is named. Pure.

export interface Spread {
  readonly scope: "strict" | "preferred";
  /** Absent where none are given. */
  readonly names?: readonly string[];
  readonly most: number;
}

/** Undefined where the rule is off. `extra`: the field of the object with names, or with a number. */
export function spreadOf(
  value: unknown,
  { field, extra, problems }: { readonly field: string; readonly extra: string; readonly problems: string[] },
): Spread | undefined {
  if (value === undefined || value === null || value === false) return undefined;
  if (value === true) return { scope: "strict", most: 1 };
  const wrong = (what: string): undefined => void problems.push(`${field}${what}`);
  if (typeof value !== "object") return wrong(" is neither true or false nor an object");
  const { enabled, scope = "strict", [extra]: more, ...rest }: Record<string, unknown> = { ...value };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return wrong(`.${unknown} is unknown; there are enabled, scope, ${extra}`);
  if (typeof enabled !== "boolean") return wrong(".enabled is neither true nor false");
  if (scope !== "strict" && scope !== "preferred") return wrong('.scope is neither "strict" nor "preferred"');
  if (more !== undefined && !isNames(more) && !isCount(more)) return wrong(`.${extra} cannot be used`);
  if (!enabled) return undefined;
  return {
    scope,
    ...(isNames(more) && more.length > 0 ? { names: more } : {}),
    most: isCount(more) ? more : 1,
  };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1;
}
