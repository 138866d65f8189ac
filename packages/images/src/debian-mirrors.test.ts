import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { hostDebianSuite, mirrorsForSuite, parseIndexTargets, sourcesLine } from "./debian-mirrors.ts";

const targets = [
  "http://mirror.example/debian/\tbookworm\tDebian\tmain",
  "http://mirror.example/debian/\tbookworm\tDebian\tcontrib",
  "http://mirror.example/debian/\tbookworm-updates\tDebian\tmain",
  "http://security.example/debian-security/\tbookworm-security\tDebian\tmain",
  "http://other.example/apt/\tstable\tSomebody\tmain",
  "file:/media/cdrom/\tbookworm\tDebian\tmain",
  "",
].join("\n");

it("takes the host's Debian mirrors of http, with all their components", () => {
  const mirrors = mirrorsForSuite(parseIndexTargets(targets), { hostSuite: "bookworm", suite: "bookworm" });
  assert.deepEqual(mirrors.map(sourcesLine), [
    "deb http://mirror.example/debian/ bookworm main contrib",
    "deb http://mirror.example/debian/ bookworm-updates main",
    "deb http://security.example/debian-security/ bookworm-security main",
  ]);
});

it("asks the same mirrors for another suite", () => {
  const mirrors = mirrorsForSuite(parseIndexTargets(targets), { hostSuite: "bookworm", suite: "trixie" });
  assert.deepEqual(
    mirrors.map((mirror) => mirror.release),
    ["trixie", "trixie-updates", "trixie-security"],
  );
});

it("finds none where the suite's own repository is not to be had", () => {
  const onlySecurity = parseIndexTargets("http://security.example/\tbookworm-security\tDebian\tmain");
  assert.deepEqual(mirrorsForSuite(onlySecurity, { hostSuite: "bookworm", suite: "bookworm" }), []);
  assert.deepEqual(mirrorsForSuite(parseIndexTargets(targets), { hostSuite: undefined, suite: "trixie" }), []);
});

it("knows the host's suite only where the host is Debian", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viv-os-"));
  try {
    const path = join(directory, "os-release");
    await writeFile(path, 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n');
    assert.equal(await hostDebianSuite(path), "bookworm");
    await writeFile(path, 'ID=ubuntu\nVERSION_CODENAME="noble"\n');
    assert.equal(await hostDebianSuite(path), undefined);
    assert.equal(await hostDebianSuite(join(directory, "none")), undefined);
  } finally {
    await rm(directory, { recursive: true });
  }
});
