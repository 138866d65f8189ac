// The main path as a newcomer walks it, on this machine's own libvirt: `viv up` from an empty state directory to a proven SSH login with a
// full cloud image, `viv up` again, `viv down`, and everything deleted.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repository, vivPath } from "../support/paths.ts";
import { type CommandOptions, run } from "../support/viv-server.ts";
import { inventory } from "../support/host-inventory.ts";

const socket = "/run/libvirt/libvirt-sock";
const skip = existsSync(socket) ? false : `no libvirtd on ${socket}: run ./viv setup`;
/** Not the name that a user's own quick start has. */
const name = "quickstart-e2e";

describe("viv up", { skip, concurrency: false }, () => {
  let state: string;
  let manifest: string;

  const viv = (args: readonly string[], options: CommandOptions = {}) =>
    run(vivPath, args, { timeoutMs: 600_000, ...options, env: { VIV_STATE_DIR: state, NO_COLOR: "1" } });

  before(async () => {
    state = await mkdtemp(join(tmpdir(), "viv-quickstart-"));
    manifest = join(state, "manifest.yaml");
    const example = await readFile(join(repository, "examples/quickstart.yaml"), "utf8");
    await writeFile(manifest, example.replaceAll("name: quickstart", `name: ${name}`));
  });
  after(async () => {
    await viv(["down", "-f", manifest, "--delete", "--timeout", "120s"]);
    await rm(state, { recursive: true, force: true });
  });

  test("from nothing to uname and cloud-init status over SSH", async () => {
    const up = await viv(["up", "-f", manifest, "--timeout", "9m"]);
    assert.equal(up.code, 0, `${up.stdout}\n${up.stderr}`);
    assert.match(up.stdout, /192\.168\.\d+\.\d+/);
    assert.match(up.stdout, new RegExp(`Linux ${name} .* x86_64`));
    assert.match(up.stdout, /status: done/);
  });

  test("a second time changes nothing and ends in seconds", async () => {
    const before = await viv(["get", "vm", name, "-o", "json"]);
    const startedAt = Date.now();
    const up = await viv(["up", "-f", manifest]);
    assert.equal(up.code, 0, up.stderr);
    assert.ok(Date.now() - startedAt < 30_000);
    const after = await viv(["get", "vm", name, "-o", "json"]);
    assert.equal(
      (JSON.parse(after.stdout) as { metadata: { resourceVersion: string } }).metadata.resourceVersion,
      (JSON.parse(before.stdout) as { metadata: { resourceVersion: string } }).metadata.resourceVersion,
    );
  });

  test("viv ssh runs a command as the image's user with sudo, and passes its exit code on", async () => {
    const who = await viv(["ssh", name, "--", "sudo", "id", "-u"]);
    assert.equal(who.stdout.trim(), "0", who.stderr);
    assert.equal((await viv(["ssh", name, "--", "exit", "7"])).code, 7);
  });

  test("the user-data was applied and the root disk has grown to its class's size", async () => {
    const motd = await viv(["ssh", name, "--", "cat", "/etc/motd"]);
    assert.match(motd.stdout, /declared in examples\/quickstart\.yaml/);
    const size = await viv(["ssh", name, "--", "df", "--output=size", "-BG", "/"]);
    assert.ok(Number(/(\d+)G\s*$/.exec(size.stdout)?.[1]) >= 9, size.stdout);
  });

  test("viv list, status, info and ip tell of it", async () => {
    const ip = (await viv(["ip", name])).stdout.trim();
    assert.match(ip, /^\d+\.\d+\.\d+\.\d+$/);
    for (const args of [["list"], ["status", name], ["info", name]]) {
      const answer = await viv(args);
      assert.equal(answer.code, 0, answer.stderr);
      assert.ok(answer.stdout.includes(name) && answer.stdout.includes(ip), answer.stdout);
    }
  });

  test("a snapshot that the guest agent holds still for has what was written a moment before, and brings it back", async () => {
    const inGuest = (command: string) => viv(["ssh", name, "--", "sudo", "sh", "-c", `'${command}'`]);
    const written = await inGuest("echo kept >/root/marker");
    assert.equal(written.code, 0, written.stderr);
    const taken = await viv(["snapshot", "create", name, "still", "--quiesce"]);
    assert.equal(taken.code, 0, taken.stderr);
    assert.match((await viv(["snapshot", "list", name])).stdout, /still \*\s+Ready\s+Filesystem/);
    assert.equal((await inGuest("rm /root/marker && sync")).code, 0);
    const reverted = await viv(["snapshot", "revert", name, "still"], { timeoutMs: 660_000 });
    assert.equal(reverted.code, 0, reverted.stderr);
    const up = await viv(["up", "-f", manifest, "--timeout", "5m"]);
    assert.equal(up.code, 0, `${up.stdout}\n${up.stderr}`);
    assert.equal((await inGuest("cat /root/marker")).stdout, "kept\n");
    const deleted = await viv(["snapshot", "delete", "still"]);
    assert.equal(deleted.code, 0, deleted.stderr);
  });

  test("viv down shuts it down gracefully, and viv up brings the same machine back", async () => {
    const down = await viv(["down", "-f", manifest, "--timeout", "120s"]);
    assert.equal(down.code, 0, down.stderr);
    assert.ok(!(await inventory()).running.includes(name));
    const up = await viv(["up", "-f", manifest, "--timeout", "5m"]);
    assert.equal(up.code, 0, `${up.stdout}\n${up.stderr}`);
    assert.match(up.stdout, /status: done/);
  });

  test("down --delete leaves nothing of it", async () => {
    const down = await viv(["down", "-f", manifest, "--delete", "--timeout", "120s"]);
    assert.equal(down.code, 0, down.stderr);
    const left = await inventory();
    assert.ok(!left.domains.includes(name));
    assert.deepEqual(
      left.files.filter((file) => file.startsWith(`${name}.`)),
      [],
    );
  });
});
