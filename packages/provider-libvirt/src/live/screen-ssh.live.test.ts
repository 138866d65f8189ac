// The screen of a host that is reached through SSH: this machine's own libvirtd behind a real sshd.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "@vivarium/provider";
import type { VmIdentity } from "@vivarium/provider";
import { isProviderError } from "@vivarium/provider";
import { LibvirtHost } from "../libvirt-host.ts";
import { ByteSource } from "../screen/byte-source.ts";
import { createScreen } from "../screen/create-screen.ts";
import { build, liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

const program = "/usr/sbin/sshd";
const skip =
  liveSkipReason() ||
  (process.getuid?.() !== 0 && "SKIPPED: only root may use QEMU's sockets") ||
  (!existsSync(program) && "SKIPPED: no sshd") ||
  (!existsSync("/usr/bin/nc") && "SKIPPED: no nc for the other side");

describe("a screen through SSH", { skip, concurrency: false }, () => {
  let folder: string;
  let sshd: ChildProcess;
  let live: LiveHost;
  let vm: VmIdentity;
  const hosts: LibvirtHost[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "vvscr-sshd-"));
    for (const name of ["host", "client"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
    const port = await freePort();
    await mkdir("/run/sshd", { recursive: true });
    const config = [
      ...[
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${folder}/host`,
        `AuthorizedKeysFile ${folder}/client.pub`,
      ],
      ...["StrictModes no", "UsePAM no", "PermitRootLogin yes", "PasswordAuthentication no", "PidFile none", ""],
    ];
    await writeFile(join(folder, "sshd_config"), config.join("\n"));
    const [type = "", bytes = ""] = (await readFile(join(folder, "host.pub"), "utf8")).split(" ");
    await writeFile(join(folder, "known_hosts"), `[127.0.0.1]:${port} ${type} ${bytes}\n`);
    sshd = spawn(program, ["-D", "-e", "-f", join(folder, "sshd_config")], { stdio: "ignore" });
    while (!(await listens(port))) await delay(20);
    live = await openLiveHost("ssh");
    vm = live.newVm();
    await build(live, vm);
    await live.provider.compute.start(vm);
    open(
      `qemu+ssh://${userInfo().username}@127.0.0.1:${port}/system?known_hosts=${folder}/known_hosts&keyfile=${folder}/client`,
    );
    await hosts[0]?.connection?.ready({ timeoutMs: 30_000 });
  });
  after(async () => {
    for (const host of hosts) host.close();
    await live?.close();
    sshd?.kill();
    await rm(folder, { recursive: true });
  });

  function open(endpoint: string): LibvirtHost {
    const { log, memo } = live.host;
    const host = new LibvirtHost({ config: { ...live.config, endpoint }, log, clock: systemClock, memo });
    hosts.push(host);
    return host;
  }

  it("is opened through it, and ends when the caller leaves", { timeout: 60_000 }, async () => {
    const [host] = hosts;
    assert.ok(host !== undefined && !host.isLocal);
    const leave = new AbortController();
    const stream = await createScreen(host).open(vm, { signal: leave.signal });
    const heard = new ByteSource(stream.output);
    assert.equal(String(await heard.take(12)), "RFB 003.008\n");
    await stream.write(Buffer.from("RFB 003.008\n"));
    assert.deepEqual(await heard.take(2), Buffer.of(1, 1));
    leave.abort();
    assert.equal(await heard.take(1), undefined);
  });

  it("is in a picture, too", { timeout: 60_000 }, async () => {
    const [host] = hosts;
    assert.ok(host !== undefined);
    assert.equal((await createScreen(host).capture(vm)).mediaType, "image/png");
  });

  it("is Unsupported where the way leads to libvirt alone", { timeout: 60_000 }, async () => {
    const [host] = hosts;
    assert.ok(host !== undefined);
    const { config, isLocal } = host;
    const attempt: LibvirtHost["attempt"] = (...call) => host.attempt(...call);
    const blind = { attempt, config, isLocal, dialSocket: undefined };
    const { signal } = new AbortController();
    await assert.rejects(createScreen(blind).open(vm, { signal }), (error) => isProviderError(error, "Unsupported"));
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
