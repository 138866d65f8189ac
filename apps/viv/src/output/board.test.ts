import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveBoard, PlainBoard } from "./board.ts";
import { print } from "./print.ts";

function recorder(): { board: PlainBoard; lines: string[]; pass: (ms: number) => void } {
  const lines: string[] = [];
  let nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
  return {
    board: new PlainBoard(
      (line) => lines.push(line),
      () => new Date(nowMs),
    ),
    lines,
    pass: (ms) => (nowMs += ms),
  };
}

test("lines carry the time and are not repeated", () => {
  const { board, lines } = recorder();
  board.set("vm/a", "Pending");
  board.set("vm/a", "Pending");
  assert.deepEqual(lines, ["12:00:00 vm/a: Pending"]);
});

test("what was held back last is shown when its time has come, unless the thing is gone", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { board, lines, pass } = recorder();
  for (const key of ["vm/a", "vm/b"]) board.set(key, "starting");
  pass(1_000);
  for (const key of ["vm/a", "vm/b"]) board.set(key, "its image failed");
  board.remove("vm/b");
  t.mock.timers.tick(8_999);
  assert.equal(lines.length, 2);
  t.mock.timers.tick(1);
  assert.deepEqual(
    lines.map((line) => line.slice(9)),
    ["vm/a: starting", "vm/b: starting", "vm/a: its image failed"],
  );
});

test("progress of one thing is held back, what is important is not", () => {
  const { board, lines, pass } = recorder();
  board.set("image/a", "1%");
  pass(1_000);
  board.set("image/a", "2%");
  board.set("image/a", "Converting", { important: true });
  board.set("vm/a", "Pending");
  pass(10_000);
  board.set("image/a", "50%");
  assert.deepEqual(
    lines.map((line) => line.slice(9)),
    ["image/a: 1%", "image/a: Converting", "vm/a: Pending", "image/a: 50%"],
  );
});

test("a result that is printed while lines are live stays above them", (t) => {
  const written: string[] = [];
  const write = (chunk: string): boolean => written.push(chunk) > 0;
  const terminal = { isTTY: true, columns: 80, write } as unknown as NodeJS.WriteStream;
  t.mock.method(process.stdout, "write", write);
  {
    using board = new LiveBoard(terminal);
    board.set("vm/a", "Stopping");
    print("vm/b: stopped");
    print("vm/c: stopped");
  }
  // oxlint-disable no-control-regex -- terminal control sequences begin with ESC
  // What a terminal would show: each "up and erase" takes away the lines drawn before it.
  const shown: string[] = [];
  for (const chunk of written) {
    const up = /^\u001B\[(\d+)A\u001B\[J$/.exec(chunk)?.[1];
    if (up === undefined) shown.push(chunk);
    else shown.splice(shown.length - Number(up));
  }
  assert.deepEqual(
    shown.filter((chunk) => chunk.endsWith("\n")),
    ["vm/b: stopped\n", "vm/c: stopped\n"],
  );
});
