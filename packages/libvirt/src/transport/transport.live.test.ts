// Every transport and every login against a libvirtd that the test starts, and a real sshd.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isLibvirtError, Libvirt, LibvirtConnectionError, parseUri } from "../index.ts";
import type { LibvirtOptions } from "../index.ts";
import { freePort, makeAuthority, PrivateDaemon, whyNoPrivateDaemon } from "../testing/private-daemon.ts";

const skip = whyNoPrivateDaemon() ?? false;
const skipSasl = skip !== false ? skip : existsSync("/usr/sbin/saslpasswd2") ? false : "saslpasswd2 is not installed";
const skipSsh = existsSync("/usr/sbin/sshd")
  ? existsSync("/run/libvirt/libvirt-sock")
    ? false
    : "no libvirtd at /run/libvirt/libvirt-sock"
  : "sshd is not installed";

/** The version that the daemon tells, or why it does not. */
async function versionOver(uri: string, options: Partial<LibvirtOptions> = {}): Promise<number> {
  using libvirt = new Libvirt({ ...parseUri(uri), ...options });
  const lost = new Promise<never>((_, reject) => {
    libvirt.onState((event) => event.kind === "disconnected" && reject(event.error));
  });
  await Promise.race([libvirt.ready({ timeoutMs: 10_000 }), lost]);
  return await libvirt.connectGetLibVersion();
}

function failsWith(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LibvirtConnectionError, String(error));
    assert.match(error.message, pattern);
    return true;
  };
}

describe("TCP and TLS to a libvirtd of our own", { skip, timeout: 60_000 }, () => {
  let daemon: PrivateDaemon;

  before(async () => {
    daemon = await PrivateDaemon.prepare();
    await daemon.makeCertificates(["good", "other"]);
    await daemon.start({
      config: (folder) => [
        "listen_tcp = 1",
        "listen_tls = 1",
        "keepalive_interval = -1",
        'auth_tcp = "none"',
        'auth_tls = "none"',
        'auth_unix_rw = "none"',
        `ca_file = "${folder}/pki/server/cacert.pem"`,
        `cert_file = "${folder}/pki/server/clientcert.pem"`,
        `key_file = "${folder}/pki/server/clientkey.pem"`,
        'tls_allowed_dn_list = ["O=vivarium,CN=good"]',
      ],
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  const tls = (client: string, rest = ""): string =>
    `test+tls://127.0.0.1:${daemon.tlsPort}/default?pkipath=${daemon.folder}/pki/${client}${rest}`;

  test("TCP works, and its own socket too", async () => {
    assert.ok((await versionOver(`test+tcp://127.0.0.1:${daemon.tcpPort}/default`)) > 7_000_000);
    assert.ok((await versionOver(`test+unix:///default?socket=${daemon.socket}`)) > 7_000_000);
  });

  test("TLS works when each side takes the other's certificate", async () => {
    assert.ok((await versionOver(tls("good"))) > 7_000_000);
  });

  test("events come over TLS, and a thousand calls are answered", async () => {
    // No ping of either side comes to the rescue of a daemon that overlooks a message.
    using libvirt = new Libvirt({ ...parseUri(tls("good")), keepaliveIntervalMs: 600_000, defaultTimeoutMs: 3000 });
    await libvirt.ready({ timeoutMs: 10_000 });
    const domain = await libvirt.domainLookupByName("test");
    const told = new Promise((resolve) => {
      libvirt.onDomainEvent(resolve);
    });
    await libvirt.domainSuspend(domain);
    await told;
    await Promise.all(Array.from({ length: 1000 }, () => libvirt.domainGetState(domain)));
  });

  test("a client whose name is not on the daemon's list is told that its certificate is not taken", async () => {
    await assert.rejects(versionOver(tls("other")), failsWith(/does not take our certificate/));
  });

  test("a daemon of another CA is refused, unless the URI says not to look", async () => {
    const folder = await mkdtemp(join(tmpdir(), "vivarium-pki-"));
    await makeAuthority(folder);
    for (const file of ["clientcert.pem", "clientkey.pem"]) {
      await writeFile(join(folder, file), await readFile(join(daemon.folder, "pki", "good", file)));
    }
    const uri = `test+tls://127.0.0.1:${daemon.tlsPort}/default?pkipath=${folder}`;
    await assert.rejects(versionOver(uri), failsWith(/certificate/));
    assert.ok((await versionOver(`${uri}&no_verify=1`)) > 7_000_000);
    await rm(folder, { recursive: true });
  });

  test("a certificate of another host is refused", async () => {
    const uri = tls("good").replace("127.0.0.1", "localhost");
    await assert.rejects(versionOver(uri), failsWith(/localhost|altnames/i));
  });

  test("certificates that are not there are told by name", async () => {
    await assert.rejects(versionOver(tls("absent")), failsWith(/cannot read .*absent/));
  });
});

describe("SASL to libvirtds of our own", { skip: skipSasl, timeout: 90_000 }, () => {
  async function startWith(mechanisms: string): Promise<PrivateDaemon> {
    const daemon = await PrivateDaemon.prepare();
    await daemon.makeCertificates(["good"]);
    const passwords = ["-u", daemon.hostname, "-f", join(daemon.folder, "passwd.db")];
    execFileSync("saslpasswd2", ["-p", "-c", "-a", "libvirt", ...passwords, "fred"], { input: "pencil" });
    await daemon.start({
      config: (folder) => [
        "listen_tcp = 1",
        "listen_tls = 1",
        'auth_tcp = "sasl"',
        'auth_tls = "sasl"',
        'auth_unix_rw = "sasl"',
        `ca_file = "${folder}/pki/server/cacert.pem"`,
        `cert_file = "${folder}/pki/server/clientcert.pem"`,
        `key_file = "${folder}/pki/server/clientkey.pem"`,
      ],
      sasl: (folder) => [`mech_list: ${mechanisms}`, `sasldb_path: ${folder}/passwd.db`],
    });
    return daemon;
  }
  const credentials = { username: "fred", password: "pencil" };
  const wrong = { username: "fred", password: "pen" };

  for (const mechanism of ["SCRAM-SHA-256", "PLAIN"]) {
    test(`${mechanism} logs in over TLS and a unix socket; a wrong password does not`, async () => {
      await using daemon = await startWith(mechanism);
      const pki = `pkipath=${daemon.folder}/pki/good`;
      const tls = `test+tls://127.0.0.1:${daemon.tlsPort}/default?${pki}`;
      const unix = `test+unix:///default?socket=${daemon.socket}`;
      assert.ok((await versionOver(tls, { credentials })) > 7_000_000);
      assert.ok((await versionOver(unix, { credentials })) > 7_000_000);
      const named = `test+tls://fred@127.0.0.1:${daemon.tlsPort}/default?${pki}`;
      assert.ok((await versionOver(named, { credentials: { password: "pencil" } })) > 7_000_000);
      await assert.rejects(versionOver(unix, { credentials: wrong }), (error) => isLibvirtError(error, "AUTH_FAILED"));
      await assert.rejects(versionOver(unix), (error) => isLibvirtError(error, "AUTH_UNAVAILABLE"));
    });
  }

  test("a mechanism that is not supported is told as such, and nothing is sent in the clear", async () => {
    await using daemon = await startWith("DIGEST-MD5");
    for (const uri of [
      `test+unix:///default?socket=${daemon.socket}`,
      `test+tcp://127.0.0.1:${daemon.tcpPort}/default`,
    ]) {
      await assert.rejects(versionOver(uri, { credentials }), (error: Error) => {
        assert.ok(isLibvirtError(error, "AUTH_UNAVAILABLE"));
        assert.match(error.message, /DIGEST-MD5/);
        return true;
      });
    }
  });
});

describe("SSH to this machine's libvirtd", { skip: skipSsh, timeout: 60_000 }, () => {
  let folder: string;
  let port: number;
  let sshd: ChildProcess;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "vivarium-sshd-"));
    for (const name of ["host", "client", "stranger"]) {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
    }
    port = await freePort();
    await mkdir("/run/sshd", { recursive: true });
    await writeFile(
      join(folder, "sshd_config"),
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${folder}/host`,
        `AuthorizedKeysFile ${folder}/client.pub`,
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "PidFile none",
        "",
      ].join("\n"),
    );
    await writeKnownHost("known_hosts", "host");
    await writeKnownHost("other_hosts", "stranger");
    sshd = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "sshd_config")], { stdio: "ignore" });
    while (!(await listens(port))) await delay(20);
  });
  after(async () => {
    sshd.kill();
    await rm(folder, { recursive: true });
  });

  async function writeKnownHost(file: string, key: string): Promise<void> {
    const [type = "", bytes = ""] = (await readFile(join(folder, `${key}.pub`), "utf8")).split(" ");
    await writeFile(join(folder, file), `[127.0.0.1]:${port} ${type} ${bytes}\n`);
  }

  const uri = (options: { readonly hosts?: string; readonly key?: string; readonly rest?: string } = {}): string =>
    `test+ssh://${userInfo().username}@127.0.0.1:${port}/default?known_hosts=${folder}/${options.hosts ?? "known_hosts"}` +
    `&keyfile=${folder}/${options.key ?? "client"}${options.rest ?? ""}`;

  test("the other side's helper, its netcat, and what it has are all a way", async () => {
    for (const rest of ["", "&proxy=native", "&proxy=netcat"]) {
      if (rest === "&proxy=netcat" && !existsSync("/usr/bin/nc")) continue;
      assert.ok((await versionOver(uri({ rest }))) > 7_000_000, rest);
    }
  });

  test("the program ends with its connection", async () => {
    const libvirt = new Libvirt(parseUri(uri()));
    await libvirt.ready({ timeoutMs: 10_000 });
    libvirt.close();
    while (childrenOf(process.pid).includes("ssh")) await delay(20);
  });

  test("a host key that is not the known one, or not known, is refused; a stranger is not let in", async () => {
    await assert.rejects(versionOver(uri({ hosts: "other_hosts" })), failsWith(/host key|identification/i));
    await assert.rejects(versionOver(uri({ hosts: "absent" })), failsWith(/host key/i));
    await assert.rejects(versionOver(uri({ key: "stranger" })), failsWith(/Permission denied/));
  });

  test("an unknown host key is taken when the URI says so", async () => {
    assert.ok((await versionOver(uri({ hosts: "new_hosts", rest: "&no_verify=1" }))) > 7_000_000);
  });

  test("an ssh that is not there is told", async () => {
    const { dial, uri: opened } = parseUri(uri(), { sshCommand: "/absent/ssh" });
    await assert.rejects(versionOver("test:///default", { dial, uri: opened }), failsWith(/cannot run \/absent\/ssh/));
  });
});

function childrenOf(pid: number): readonly string[] {
  return execFileSync("ps", ["--ppid", String(pid), "-o", "comm="], { encoding: "utf8" }).split("\n");
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
