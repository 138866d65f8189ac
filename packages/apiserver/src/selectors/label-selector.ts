// Label selectors: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1`, joined by commas
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors). The grammar and the sentences about what is wrong
// are those of k8s.io/apimachinery/pkg/labels.

import { badRequest } from "../errors.ts";
import { isLabelValue, isQualifiedName, labelValueRule, qualifiedNameRule } from "../meta/names.ts";
import { tokensOf, type Token } from "./selector-tokens.ts";

export type Labels = Readonly<Record<string, string>>;

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "!" | ">" | "<";
  readonly values: readonly string[];
}

/** Undefined when every object matches. */
export function parseLabelSelector(text: string | null): ((labels: Labels) => boolean) | undefined {
  if (text === null || text.trim() === "") return undefined;
  const requirements = new Parser(text).requirements();
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
      return isInteger(value) && BigInt(value) > BigInt(values[0] ?? 0);
    case "<":
      return isInteger(value) && BigInt(value) < BigInt(values[0] ?? 0);
  }
}

function isInteger(value: string | undefined): value is string {
  return value !== undefined && /^-?\d{1,19}$/.test(value);
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  requirements(): readonly Requirement[] {
    const requirements: Requirement[] = [];
    if (this.#next().kind === "end") return requirements;
    for (;;) {
      const token = this.#next();
      if (!isWord(token) && token.kind !== "!") throw found(token, "!, identifier, or 'end of string'");
      requirements.push(this.#requirement());
      const after = this.#take();
      if (after.kind === "end") return requirements;
      if (after.kind !== ",") throw found(after, "',' or 'end of string'");
      const next = this.#next();
      if (!isWord(next) && next.kind !== "!") throw found(next, "identifier after ','");
    }
  }

  #requirement(): Requirement {
    const isNegated = this.#next().kind === "!";
    if (isNegated) this.#take();
    const key = this.#take();
    if (!isWord(key)) throw unparsed(`found '${key.text}', expected: identifier`);
    if (!isQualifiedName(key.text))
      throw unparsed(`<nil>: Invalid value: ${JSON.stringify(key.text)}: ${qualifiedNameRule}`);
    const after = this.#next().kind;
    if (isNegated) return { key: key.text, operator: "!", values: [] };
    if (after === "end" || after === ",") return { key: key.text, operator: "exists", values: [] };
    return this.#comparison(key.text);
  }

  #comparison(key: string): Requirement {
    const sign = this.#take();
    switch (sign.kind) {
      case "in":
      case "notin":
        return checked({ key, operator: sign.kind, values: this.#list() });
      case "=":
      case "==":
        return checked({ key, operator: "in", values: [this.#value()] });
      case "!=":
        return checked({ key, operator: "notin", values: [this.#value()] });
      case ">":
      case "<":
        return checked({ key, operator: sign.kind, values: [this.#value()] });
      default:
        throw unparsed(`found '${sign.text}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  #value(): string {
    const { kind } = this.#next();
    if (kind === "end" || kind === ",") return "";
    const token = this.#take();
    if (!isWord(token)) throw unparsed(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  /** `(a,b)`; a place without a word is the empty value. */
  #list(): readonly string[] {
    const open = this.#take();
    if (open.kind !== "(") throw unparsed(`found '${open.text}' expected: '('`);
    const first = this.#next();
    if (first.kind === ")") {
      this.#take();
      return [];
    }
    if (!isWord(first) && first.kind !== ",") throw unparsed(`found '${first.text}', expected: ',', ')' or identifier`);
    const values = new Set<string>();
    for (;;) {
      values.add(isWord(this.#next()) ? this.#take().text : "");
      const separator = this.#take();
      if (separator.kind === ")") return [...values];
      if (separator.kind !== ",") throw unparsed(`found '${separator.text}', expected: ',' or ')'`);
    }
  }

  #next(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #take(): Token {
    const token = this.#next();
    this.#at++;
    return token;
  }
}

/** `in` and `notin` are words where no operator can be. */
function isWord({ kind }: Token): boolean {
  return kind === "word" || kind === "in" || kind === "notin";
}

function checked(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement;
  if (values.length === 0)
    throw unparsed("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  values.forEach((value, index) => {
    if ((operator === ">" || operator === "<") && !isInteger(value))
      throw unparsed(
        `values[${index}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    // A negative number is no label value, but a number to compare with is not one either.
    if (operator !== ">" && operator !== "<" && !isLabelValue(value))
      throw unparsed(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${labelValueRule}`);
  });
  return requirement;
}

function found(token: Token, expected: string) {
  return badRequest(`found '${token.text}', expected: ${expected}`);
}

function unparsed(why: string) {
  return badRequest(`unable to parse requirement: ${why}`);
}
