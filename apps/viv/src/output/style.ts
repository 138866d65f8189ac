// Colour and animation only where a person looks: https://no-color.org, and never on a pipe.

import type { WriteStream } from "node:tty";

export function isAnimated(stream: Pick<WriteStream, "isTTY"> = process.stderr): boolean {
  return stream.isTTY === true && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined;
}

export function isColoured(stream: Pick<WriteStream, "isTTY">): boolean {
  const noColor = process.env["NO_COLOR"];
  return stream.isTTY === true && (noColor === undefined || noColor === "") && process.env["TERM"] !== "dumb";
}

const codes = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;

export type Style = keyof typeof codes;

/** `text` in a style where the stream shows colour, else as it is. */
export function styled(style: Style, text: string, stream: Pick<WriteStream, "isTTY"> = process.stderr): string {
  return isColoured(stream) ? `\u001B[${codes[style]}m${text}\u001B[0m` : text;
}
