import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { probeAliveText, probeBegunText, probeGuestSector } from "./probe-guest.ts";

test("the guest is a boot sector that holds its texts", () => {
  const sector = Buffer.from(probeGuestSector());
  assert.equal(sector.length, 512);
  assert.equal(sector.readUInt16LE(510), 0xaa55);
  assert.ok(sector.includes(probeBegunText));
  assert.ok(sector.includes(probeAliveText));
});

test("the bytes are those of probe-guest.S", { skip: missingBinutils() }, () => {
  const work = mkdtempSync(join(tmpdir(), "vivarium-probe-guest-"));
  try {
    const object = join(work, "guest.o");
    const binary = join(work, "guest.bin");
    execFileSync("as", ["--32", "-o", object, join(import.meta.dirname, "probe-guest.S")]);
    execFileSync("objcopy", ["-O", "binary", "-j", ".text", object, binary]);
    assert.deepEqual(readFileSync(binary), Buffer.from(probeGuestSector()));
  } finally {
    rmSync(work, { recursive: true });
  }
});

function missingBinutils(): string | false {
  if (process.arch !== "x64") return "the guest is for x86_64";
  for (const tool of ["as", "objcopy"]) {
    try {
      execFileSync(tool, ["--version"], { stdio: "ignore" });
    } catch {
      return `SKIPPED: no ${tool} (binutils) here to assemble probe-guest.S`;
    }
  }
  return false;
}
