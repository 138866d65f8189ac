// The JSONPath of printer columns and selectable fields: `.a.b`, `['a.b']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  | {
      readonly kind: "filter";
      readonly path: JsonPath;
      readonly operator: "==" | "!=" | "exists";
      readonly value: unknown;
    };

export class JsonPath {
  readonly #steps: readonly Step[];

  /** Throws SyntaxError for a path that is none of the forms above. */
  constructor(text: string) {
    this.#steps = parse(text);
  }

  /** Every value that the path leads to. */
  select(value: unknown): unknown[] {
    return this.#steps.reduce<unknown[]>((values, step) => values.flatMap((each) => follow(each, step)), [value]);
  }
}

function follow(value: unknown, step: Step): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  switch (step.kind) {
    case "field": {
      const found = Object.hasOwn(value, step.name) ? (value as Record<string, unknown>)[step.name] : undefined;
      return found === undefined ? [] : [found];
    }
    case "index": {
      const found: unknown = Array.isArray(value) ? value.at(step.index) : undefined;
      return found === undefined ? [] : [found];
    }
    case "all":
      return Object.values(value);
    case "filter":
      return (Array.isArray(value) ? value : []).filter((item) => {
        const found = step.path.select(item);
        if (step.operator === "exists") return found.length > 0;
        return (found[0] === step.value) === (step.operator === "==");
      });
  }
}

const fieldToken = /^\.((?:[^.[\]\\]|\\.)+)/;
const quotedToken = /^\.?\[(?:'([^']*)'|"([^"]*)")\]/;
const indexToken = /^\.?\[(-?\d+|\*)\]/;
const filterToken = /^\.?\[\?\(@([^=!<>)]*?)\s*(?:(==|!=)\s*("[^"]*"|'[^']*'|[^)]+?))?\s*\)\]/;

function parse(text: string): Step[] {
  const steps: Step[] = [];
  let rest = text
    .trim()
    .replace(/^\{(.*)\}$/, "$1")
    .replace(/^\$/, "");
  if (rest !== "" && !/^[.[]/.test(rest)) rest = `.${rest}`;
  while (rest !== "" && rest !== ".") {
    const { step, length } = parseStep(rest, text);
    steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function parseStep(rest: string, text: string): { step: Step; length: number } {
  let match = quotedToken.exec(rest);
  if (match !== null) return { step: { kind: "field", name: match[1] ?? match[2] ?? "" }, length: match[0].length };
  match = indexToken.exec(rest);
  if (match !== null) {
    const step: Step = match[1] === "*" ? { kind: "all" } : { kind: "index", index: Number(match[1]) };
    return { step, length: match[0].length };
  }
  match = filterToken.exec(rest);
  if (match !== null) {
    const operator = (match[2] as "==" | "!=" | undefined) ?? "exists";
    const value = match[3] === undefined ? undefined : literal(match[3]);
    return {
      step: { kind: "filter", path: new JsonPath(match[1] ?? ""), operator, value },
      length: match[0].length,
    };
  }
  match = fieldToken.exec(rest);
  if (match !== null) {
    const name = (match[1] ?? "").replaceAll(/\\(.)/g, "$1");
    return { step: name === "*" ? { kind: "all" } : { kind: "field", name }, length: match[0].length };
  }
  throw new SyntaxError(`Cannot read the JSON path ${JSON.stringify(text)}: unexpected ${JSON.stringify(rest)}`);
}

function literal(text: string): unknown {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
