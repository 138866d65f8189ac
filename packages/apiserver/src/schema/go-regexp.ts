// Patterns of CustomResourceDefinitions and CEL are Go's (https://github.com/google/re2/wiki/Syntax). What JavaScript spells in another
// way is translated here; the rest means the same in both.

const flagsPattern = /^\(\?([ims]+)\)/;
const posixClasses: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

/** Throws SyntaxError. */
export function toRegExp(pattern: string): RegExp {
  const flags = flagsPattern.exec(pattern);
  const source = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll("(?P<", "(?<")
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => posixClasses[name] ?? whole)
    .replaceAll(/\\([AzQE])/g, (whole, letter: string) => (letter === "A" ? "^" : letter === "z" ? "$" : whole));
  // Without `u`: escapes that Unicode mode forbids (`\-`) are usual.
  const isUnicode = /\\[pP]\{?/.test(source);
  return new RegExp(source, `${flags?.[1] ?? ""}${isUnicode ? "u" : ""}`);
}
