// Where a guest is with its provisioning, from what it printed on its serial line. See provision-script.ts. Pure.

export interface ProvisionStep {
  readonly number: number;
  readonly of: number;
  readonly title: string;
}

export type ProvisionState =
  /** It has not begun, or its marks are not among what was read. */
  | { readonly kind: "silent" }
  | { readonly kind: "running"; readonly step: ProvisionStep }
  | {
      readonly kind: "failed";
      readonly step: ProvisionStep | undefined;
      readonly why: string;
      /** What did not answer. */
      readonly unreachable: readonly string[];
      /** The last that was printed before, for people. */
      readonly lastLines: readonly string[];
    }
  | { readonly kind: "done" };

const lastLineCount = 12;

export function provisionState(log: string, token: string): ProvisionState {
  const mark = `VIVARIUM-BUILD ${token} `;
  const unreachable: string[] = [];
  let state: ProvisionState = { kind: "silent" };
  let step: ProvisionStep | undefined;
  let printed: string[] = [];
  for (const line of readable(log)) {
    const at = line.indexOf(mark);
    if (at === -1) {
      printed.push(line);
      continue;
    }
    const [word, rest = ""] = splitOnce(line.slice(at + mark.length).trim());
    switch (word) {
      case "step": {
        const found = stepOf(rest);
        // A mark that was cut off where the log begins.
        if (found === undefined) break;
        step = found;
        state = { kind: "running", step };
        printed = [];
        break;
      }
      case "unreachable":
        unreachable.push(rest);
        break;
      case "failed":
        state = {
          kind: "failed",
          step,
          why: splitOnce(rest)[1] ?? rest,
          unreachable: [...new Set(unreachable)],
          lastLines: printed.slice(-lastLineCount),
        };
        break;
      case "done":
        state = { kind: "done" };
        break;
    }
  }
  return state;
}

function stepOf(text: string): ProvisionStep | undefined {
  const match = /^(\d{1,4})\/(\d{1,4}) (.*)$/.exec(text);
  if (match === null) return undefined;
  const [, number = "", of = "", title = ""] = match;
  return { number: Number(number), of: Number(of), title };
}

function splitOnce(text: string): readonly [string, string?] {
  const space = text.indexOf(" ");
  return space === -1 ? [text] : [text.slice(0, space), text.slice(space + 1)];
}

/** Lines without terminal control sequences and without empty ones. */
function readable(text: string): readonly string[] {
  // oxlint-disable no-control-regex -- terminal control sequences begin with ESC
  return text
    .replaceAll(/\u001B\[[0-9;?]*[ -/]*[@-~]|\u001B[()][A-Z0-9]|\u001B[=>78cDM]/g, "")
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "");
}
