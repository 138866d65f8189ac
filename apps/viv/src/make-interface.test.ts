// The Makefile's everyday targets, with a recorder in the place of viv: each is one line over it, and what users type reaches it as typed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "viv-make-"));
const recorder = join(folder, "viv");
const recorded = join(folder, "arguments");
writeFileSync(recorder, `#!/bin/sh\nprintf '%s\\n' "$@" > ${recorded}\n`, { mode: 0o755 });
after(() => rmSync(folder, { recursive: true, force: true }));

interface Made {
  readonly code: number;
  readonly stderr: string;
  /** Undefined: viv was not run. */
  readonly args: readonly string[] | undefined;
}

/** `-o ready`: nothing is built and no server started. */
function make(...args: readonly string[]): Promise<Made> {
  rmSync(recorded, { force: true });
  return new Promise((resolve) => {
    const options = { cwd: root, timeout: 60_000, env: { ...process.env, NAME: "of-the-environment" } };
    execFile("make", ["-o", "ready", `VIV=${recorder}`, ...args], options, (error, _, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 255);
      const said = existsSync(recorded) ? readFileSync(recorded, "utf8").trimEnd().split("\n") : undefined;
      resolve({ code, stderr, args: said });
    });
  });
}

test("each target is one call of viv", async () => {
  for (const [line, wanted] of [
    ["create-base", "create --wait --role base -- base"],
    ["create-base NAME=web CPUS=4", "create --wait --role base --cpus 4 -- web"],
    ["create-docker NAME=web", "create --wait --role docker -- web"],
    ["create-k8s", "create --wait --role k8s -- k8s"],
    ["k8s-cluster", "env create -- k8s-cluster"],
    ["web-vm NAME=shop", "env create -- web-vm shop"],
    ["start NAME=web", "start -- web"],
    ["stop NAME=web", "stop -- web"],
    ["stop", "stop --"],
    ["ssh NAME=web", "ssh -- web"],
    ["delete NAME=web", "delete -- vm web"],
    ["delete NAME=web FORCE=1", "delete --yes -- vm web"],
    ["delete NAME=web FORCE=0", "delete -- vm web"],
    ["list", "list"],
    ["status NAME=web", "status -- web"],
    ["snapshot NAME=web ACTION=create", "snapshot create -- web"],
    ["snapshot NAME=web ACTION=create SNAPSHOT=one", "snapshot create -- web one"],
    ["snapshot NAME=web ACTION=list", "snapshot list -- web"],
    ["snapshot NAME=web ACTION=restore SNAPSHOT=one", "snapshot restore -- web one"],
    ["snapshot NAME=web ACTION=delete SNAPSHOT=one", "snapshot delete --vm web -- one"],
    ["clone SOURCE=web TARGET=web2", "clone -- web web2"],
    ["export NAME=web TARGET=golden", "export -- web golden"],
    ["export NAME=web FILE=web.ova", "export --file web.ova -- web"],
    ["export NAME=web FILE=disk FORMAT=raw", "export --file disk --format raw -- web"],
    ["operations", "operations"],
    ["images", "images"],
    ["builds", "builds"],
    ["build ROLE=docker", "build -- docker"],
    ["group ACTION=list", "group list"],
    ["group ACTION=create NAME=shop MEMBERS=db", "group create -- shop db"],
    ["group ACTION=start NAME=shop", "group start -- shop"],
    ["group ACTION=stop NAME=shop", "group stop -- shop"],
    ["group ACTION=status NAME=shop", "group status -- shop"],
    ["group ACTION=snapshot NAME=shop SNAPSHOT=one", "group snapshot -- shop one"],
    ["group ACTION=delete NAME=shop FORCE=1", "group delete --yes -- shop"],
  ] as const) {
    const made = await make(...line.split(" "));
    assert.equal(made.args?.join(" "), wanted, `${line}: ${made.stderr}`);
  }
});

test("what is missing or unknown is said before anything is done", async () => {
  for (const [line, wanted] of [
    ["delete", /NAME is missing: make delete NAME=\.\.\./],
    ["delete NAME= FORCE=1", /NAME is missing/],
    ["snapshot ACTION=list", /NAME is missing/],
    ["snapshot NAME=web", /ACTION is missing/],
    ["snapshot NAME=web ACTION=shoot", /ACTION is none of create list restore delete/],
    ["group ACTION=burn NAME=shop", /ACTION is none of create list start/],
    ["build", /ROLE is missing: make build ROLE=/],
    ["clone SOURCE=web", /TARGET is missing: make clone TARGET=/],
    ["export NAME=web", /TARGET is missing: make export TARGET=/],
    ["group ACTION=start", /NAME is missing: make group NAME=/],
    ["snapshot NAME=web ACTION=delete", /SNAPSHOT is missing/],
    ["snapshot NAME=web ACTION=restore", /SNAPSHOT is missing/],
  ] as const) {
    const made = await make(...line.split(" "));
    assert.equal(made.code, 2, line);
    assert.match(made.stderr, wanted);
    assert.equal(made.args, undefined, line);
  }
});

test("neither make nor the shell reads anything into what was typed", async () => {
  const mark = join(folder, "mark");
  for (const evil of [
    `web; touch ${mark}`,
    `$(touch ${mark})`,
    `$(shell touch ${mark})`,
    `\`touch ${mark}\``,
    `"; touch ${mark}; "`,
    `$$(touch ${mark})`,
    `' ; touch ${mark} #`,
    `--help`,
  ]) {
    for (const target of ["create-base", "start", "delete", "snapshot"]) {
      const made = await make(target, `NAME=${evil}`, "ACTION=list");
      assert.equal(made.args?.at(-1), evil, made.stderr);
    }
    await make("snapshot", "NAME=web", `ACTION=${evil}`);
    await make("delete", "NAME=web", `FORCE=${evil}`);
    await make("group", "NAME=web", "ACTION=create", `MEMBERS=${evil}`);
  }
  assert.ok(!existsSync(mark));
});
