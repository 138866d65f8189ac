import assert from "node:assert/strict";
import { test } from "node:test";
import { lastLines } from "../commands/logs.ts";
import { readableLines } from "./serial-log.ts";

test("terminal control is not text", () => {
  assert.deepEqual(readableLines("\u001B[0;32m  OK  \u001B[0m] Started\r\n\r\n\u001B[2J\u001B[Hlogin: "), [
    "  OK  ] Started",
    "login:",
  ]);
});

test("the last lines count the unfinished one", () => {
  const last = (text: string, count: number): string => lastLines(Buffer.from(text), count).toString();
  assert.equal(last("a\nb\nc\n", 2), "b\nc\n");
  assert.equal(last("a\nb\nlogin: ", 2), "b\nlogin: ");
  assert.equal(last("a\nb\n", 5), "a\nb\n");
  assert.equal(last("\nb\n", 1), "b\n");
  assert.equal(last("a\n", 0), "");
  assert.equal(last("", 3), "");
});
