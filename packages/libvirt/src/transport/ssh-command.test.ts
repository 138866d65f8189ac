import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isSafeFile, isSafeHost, isSafeUser, sshArguments } from "./ssh-command.ts";
import type { SshTarget } from "./ssh-command.ts";

const target: SshTarget = {
  host: "host",
  proxy: "auto",
  socket: "/run/libvirt/libvirt-sock",
  driverUri: "qemu:///system",
};

test("host keys are checked unless the URI says otherwise, and nobody is asked", () => {
  const args = sshArguments(target);
  assert.deepEqual(args.slice(0, -2), [
    "-T",
    "-e",
    "none",
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "--",
  ]);
  assert.equal(args.at(-2), "host");
  assert.ok(sshArguments({ ...target, isUnverified: true }).includes("StrictHostKeyChecking=no"));
});

test("user, port, key and known hosts are arguments of their own", () => {
  const args = sshArguments({ ...target, user: "me", port: 22, keyFile: "/k", knownHostsFile: "/a b" });
  assert.deepEqual(args.slice(0, 8), ["-p", "22", "-l", "me", "-i", "/k", "-o", "IdentitiesOnly=yes"]);
  assert.ok(args.includes('UserKnownHostsFile="/a b"'));
});

test("whatever the netcat, the socket and the URI hold, the remote shell takes each for one word", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "vivarium ssh'$(x)-"));
  t.after(() => rm(folder, { recursive: true }));
  const netcat = join(folder, "nc");
  await writeFile(netcat, '#!/bin/sh\n[ "$1" = -q ] || printf "%s" "$2"\n', { mode: 0o755 });
  const text = fc.string({ unit: fc.constantFrom(..."'\"$`\\ ;&|()a*!-\n".split("")) });
  fc.assert(
    fc.property(text, (word) => {
      const socket = `/${word}`;
      const script = sshArguments({ ...target, proxy: "netcat", netcat, socket }).at(-1) ?? "";
      assert.equal(execFileSync("sh", ["-c", script], { encoding: "utf8" }), socket);
    }),
    { numRuns: 40 },
  );
});

test("names that could be options or commands are no hosts and no users", () => {
  for (const host of ["-oProxyCommand=x", "a b", "a;b", "$(x)", "`x`", "a/b", "", "a\nb"])
    assert.equal(isSafeHost(host), false, host);
  for (const user of ["-l", "a b", "a;b", "$(x)", "`x`", "", "a'b"]) assert.equal(isSafeUser(user), false, user);
  for (const path of ["k", "~/k", '/a"b', "/%h", "/${HOME}", "/a\nb"]) assert.equal(isSafeFile(path), false, path);
  for (const host of ["host", "host.example.org", "10.0.0.1", "::1", "fe80::1%eth0"])
    assert.equal(isSafeHost(host), true, host);
});
