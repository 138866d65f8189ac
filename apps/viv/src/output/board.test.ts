import assert from "node:assert/strict";
import { test } from "node:test";
import { PlainBoard } from "./board.ts";

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
