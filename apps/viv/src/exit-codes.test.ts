import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exitCodes } from "./exit-codes.ts";

const page = readFileSync(new URL("../../../docs/how-to/cli.md", import.meta.url), "utf8");

test("each exit code is documented with its meaning", () => {
  for (const { code, meaning } of Object.values(exitCodes))
    assert.ok(page.includes(`| ${code} | ${meaning} |`), `${code}`);
});

test("no two outcomes share a code", () => {
  const codes = Object.values(exitCodes).map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length);
});
