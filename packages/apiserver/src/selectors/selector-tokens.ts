// The words of a label selector, as k8s.io/apimachinery/pkg/labels reads them.

export type TokenKind = "word" | "end" | ")" | "," | "!" | "==" | "=" | ">" | "(" | "<" | "!=" | "in" | "notin";

export interface Token {
  readonly kind: TokenKind;
  /** As it was written. */
  readonly text: string;
}

const signs: ReadonlyMap<string, TokenKind> = new Map(
  ([")", ",", "!", "==", "=", ">", "(", "<", "!="] as const).map((sign) => [sign, sign]),
);
const special = /[=!(),<>]/;
const space = /[ \t\r\n]/;

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at] ?? "";
    if (space.test(character)) at++;
    else {
      const token = special.test(character) ? signAt(text, at) : wordAt(text, at);
      tokens.push(token);
      at += token.text.length;
    }
  }
  return [...tokens, { kind: "end", text: "" }];
}

/** The longest sign that begins here. */
function signAt(text: string, at: number): Token {
  const two = text.slice(at, at + 2);
  const sign = signs.has(two) ? two : text.slice(at, at + 1);
  return { kind: signs.get(sign) ?? "word", text: sign };
}

function wordAt(text: string, at: number): Token {
  let end = at;
  while (end < text.length && !special.test(text[end] ?? "") && !space.test(text[end] ?? "")) end++;
  const word = text.slice(at, end);
  return { kind: word === "in" || word === "notin" ? word : "word", text: word };
}
