// Reads as much of Ruby as Vagrantfiles are usually written in: assignments, calls, blocks, ranges that are gone through, strings with values in
// them, here-documents. Nothing is executed. What it cannot read is kept as a note with its line.

export type Value =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "flag"; readonly flag: boolean }
  | { readonly kind: "list"; readonly items: readonly Value[] }
  | { readonly kind: "map"; readonly entries: Readonly<Record<string, Value>> }
  /** Read with the variables of its place: a name, a sum, a string with `#{…}`. */
  | { readonly kind: "template"; readonly source: string }
  | { readonly kind: "name"; readonly source: string };

export interface Call {
  readonly kind: "call";
  /** `config.vm.network`. */
  readonly path: readonly string[];
  readonly args: readonly Value[];
  readonly options: Readonly<Record<string, Value>>;
  readonly parameters: readonly string[];
  /** Of its block. */
  readonly body?: readonly Statement[];
  readonly line: number;
}

export interface Assignment {
  readonly kind: "assignment";
  readonly path: readonly string[];
  readonly value: Value | undefined;
  readonly line: number;
  readonly source: string;
}

export interface Unread {
  readonly kind: "unread";
  readonly line: number;
  readonly source: string;
}

export type Statement = Call | Assignment | Unread;

interface Line {
  readonly text: string;
  readonly number: number;
}

/** What stands in the place of a here-document until its line is read. */
const hereMark = "\u0000";
const opensBlock = /^(?:if|unless|case|while|until|for|def|class|module|begin)\b/;
const blockHead = /^(.*?)\s*(?:\bdo\b|\{)\s*(?:\|\s*([^|]*?)\s*\|)?\s*$/s;

export function parseRuby(source: string): readonly Statement[] {
  const texts: string[] = [];
  const lines = logicalLines(source, texts);
  let at = 0;

  function statements(): Statement[] {
    const found: Statement[] = [];
    for (; at < lines.length; at++) {
      const line = lines[at];
      if (line === undefined || line.text === "end" || line.text === "}") break;
      found.push(statement(line));
    }
    return found;
  }

  function statement({ text, number }: Line): Statement {
    if (opensBlock.test(text)) {
      skipBlock();
      return { kind: "unread", line: number, source: text };
    }
    const head = /(?:\bdo|\{)\s*(?:\|[^|]*\|)?\s*$/.test(text) ? blockHead.exec(text) : null;
    if (head !== null) {
      at++;
      const body = statements();
      const call = callOf(head[1] ?? "", number, texts);
      const parameters = (head[2] ?? "")
        .split(",")
        .map((each) => each.trim())
        .filter((each) => each !== "");
      return call === undefined ? { kind: "unread", line: number, source: text } : { ...call, parameters, body };
    }
    const assignment = /^([A-Za-z_][\w.]*)\s*=(?![=~>])\s*(.*)$/s.exec(text);
    if (assignment !== null) {
      const [, path = "", value = ""] = assignment;
      return { kind: "assignment", path: path.split("."), value: valueOf(value, texts), line: number, source: text };
    }
    return callOf(text, number, texts) ?? { kind: "unread", line: number, source: text };
  }

  /** To the `end` that closes it. */
  function skipBlock(): void {
    let depth = 1;
    for (at++; at < lines.length; at++) {
      const { text } = lines[at] ?? { text: "" };
      if (opensBlock.test(text) || /\bdo\s*(?:\|[^|]*\|)?$/.test(text)) depth++;
      if (/^end\b/.test(text) && --depth === 0) return;
    }
  }

  const all: Statement[] = [];
  while (at < lines.length) {
    all.push(...statements());
    at++;
  }
  return all;
}

/** Without comments, here-documents put aside, and lines that go on joined. */
function logicalLines(source: string, texts: string[]): readonly Line[] {
  const raw = source.split(/\r?\n/);
  const lines: Line[] = [];
  let pending = "";
  let start = 0;
  for (let index = 0; index < raw.length; index++) {
    if (/^=begin\b/.test(raw[index] ?? "")) {
      while (index < raw.length && !/^=end\b/.test(raw[index] ?? "")) index++;
      continue;
    }
    let text = withoutComment(raw[index] ?? "").trim();
    if (pending === "") start = index + 1;
    const here = /<<([~-]?)(["']?)([A-Z_][A-Z0-9_]*)\2/i.exec(text);
    if (here !== null) {
      const [mark, squiggle, , word = ""] = here;
      const body: string[] = [];
      for (index++; index < raw.length && raw[index]?.trim() !== word; index++) body.push(raw[index] ?? "");
      texts.push(`${(squiggle === "~" || squiggle === "-" ? undented(body) : body).join("\n")}\n`);
      text = text.replace(mark, `${hereMark}${texts.length - 1}${hereMark}`);
    }
    pending = pending === "" ? text : `${pending} ${text}`;
    if (/[,\\]$/.test(pending)) {
      pending = pending.replace(/\\$/, "");
      continue;
    }
    if (pending !== "") lines.push({ text: pending.replace(/;$/, ""), number: start });
    pending = "";
  }
  if (pending !== "") lines.push({ text: pending, number: start });
  return lines;
}

function undented(lines: readonly string[]): readonly string[] {
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^\s*/.exec(line)?.[0].length ?? 0);
  const least = indents.length === 0 ? 0 : Math.min(...indents);
  return lines.map((line) => line.slice(least));
}

function withoutComment(line: string): string {
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const char = line[at];
    if (char === "\\") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === "#") return line.slice(0, at);
  }
  return line;
}

function callOf(text: string, line: number, texts: readonly string[]): Omit<Call, "body"> | undefined {
  const range = /^\(?\s*(\d+)\s*\.\.(\.?)\s*([A-Za-z_]\w*|\d+)\s*\)?\.each$/.exec(text);
  if (range !== null) {
    const [, from = "", open = "", to = ""] = range;
    const end: Value = /^\d/.test(to) ? { kind: "number", number: Number(to) } : { kind: "name", source: to };
    const args: Value[] = [{ kind: "number", number: Number(from) }, end];
    const options = { open: { kind: "flag", flag: open === "." } as const };
    return { kind: "call", path: ["each"], args, options, parameters: [], line };
  }
  const call = /^([A-Za-z_][\w.]*[?!]?)\s*(?:\((.*)\)|\s(.*))?$/s.exec(text);
  if (call === null) return undefined;
  const [, path = "", inside, after] = call;
  const args: Value[] = [];
  const options: Record<string, Value> = {};
  for (const part of splitAtCommas(inside ?? after ?? "")) {
    const option =
      /^([A-Za-z_]\w*):\s+?(.+)$/s.exec(part) ??
      /^:([A-Za-z_]\w*)\s*=>\s*(.+)$/s.exec(part) ??
      /^"([\w-]+)"\s*=>\s*(.+)$/s.exec(part);
    const value = valueOf(option?.[2] ?? part, texts);
    if (value === undefined) return undefined;
    if (option?.[1] === undefined) args.push(value);
    else options[option[1]] = value;
  }
  return { kind: "call", path: path.split("."), args, options, parameters: [], line };
}

function splitAtCommas(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = "";
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === "\\") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [...parts, text.slice(start).trim()].filter((part) => part !== "");
}

/** Undefined for what is no value that can be read without running it. */
function valueOf(text: string, texts: readonly string[]): Value | undefined {
  const source = text.trim();
  if (source.startsWith(hereMark)) {
    return { kind: "text", text: texts[Number(source.split(hereMark)[1])] ?? "" };
  }
  const quoted = /^(["'])((?:\\.|(?!\1)[^\\])*)\1$/s.exec(source);
  if (quoted !== null) {
    const [, quote, body = ""] = quoted;
    if (quote === '"' && body.includes("#{")) return { kind: "template", source: body };
    return { kind: "text", text: quote === '"' ? body.replaceAll("\\n", "\n").replaceAll('\\"', '"') : body };
  }
  if (/^\d[\d_]*$/.test(source)) return { kind: "number", number: Number(source.replaceAll("_", "")) };
  if (source === "true" || source === "false") return { kind: "flag", flag: source === "true" };
  if (/^:[A-Za-z_]\w*$/.test(source)) return { kind: "text", text: source.slice(1) };
  if (/^\[.*\]$/s.test(source)) {
    const items = splitAtCommas(source.slice(1, -1)).map((part) => valueOf(part, texts));
    return items.every((item) => item !== undefined) ? { kind: "list", items } : undefined;
  }
  if (/^[A-Za-z_0-9][\w\s+*-]*$/.test(source)) return { kind: "name", source };
  return undefined;
}
