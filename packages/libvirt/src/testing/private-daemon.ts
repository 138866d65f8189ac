// A libvirtd of the test's own, in mount and process namespaces of its own, with an own configuration, on ports of loopback.
// The machine's libvirtd is not touched. Needs root.

import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Says why there can be none here, or undefined when there can. */
export function whyNoPrivateDaemon(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root to make namespaces";
  return existsSync("/usr/sbin/libvirtd") ? undefined : "libvirtd is not installed";
}

export interface PrivateDaemonOptions {
  /** Lines of libvirtd.conf, without the ports. */
  readonly config: (folder: string) => readonly string[];
  /** Lines of SASL's configuration for libvirt. */
  readonly sasl?: (folder: string) => readonly string[];
}

export class PrivateDaemon implements AsyncDisposable {
  readonly folder: string;
  readonly tcpPort: number;
  readonly tlsPort: number;
  #process: ChildProcess | undefined;

  private constructor(folder: string, ports: readonly [number, number]) {
    this.folder = folder;
    [this.tcpPort, this.tlsPort] = ports;
  }

  /** The daemon's own socket. */
  get socket(): string {
    return join(this.folder, "run", "libvirt-sock");
  }

  /** What it takes its host for; SASL's realm, too. */
  get hostname(): string {
    return `vivarium-${this.tcpPort}`;
  }

  /** An empty folder, before the daemon is there: for its certificates and passwords. */
  static async prepare(): Promise<PrivateDaemon> {
    const folder = await mkdtemp(join(tmpdir(), "vivarium-libvirtd-"));
    await chmod(folder, 0o711);
    return new PrivateDaemon(folder, [await freePort(), await freePort()]);
  }

  async start(options: PrivateDaemonOptions): Promise<void> {
    for (const part of ["etc", "lib", "log", "cache", "run", "sasl2"]) {
      await mkdir(join(this.folder, part), { recursive: true });
    }
    await cp("/etc/libvirt", join(this.folder, "etc"), { recursive: true });
    for (const part of ["qemu", "storage", "secrets"]) {
      await rm(join(this.folder, "etc", part), { recursive: true, force: true });
    }
    await writeFile(
      join(this.folder, "etc", "libvirtd.conf"),
      [
        `host_uuid = "${randomUUID()}"`,
        'listen_addr = "127.0.0.1"',
        `tcp_port = "${this.tcpPort}"`,
        `tls_port = "${this.tlsPort}"`,
        ...options.config(this.folder),
        "",
      ].join("\n"),
    );
    await writeFile(
      join(this.folder, "etc", "qemu.conf"),
      'security_driver = "none"\ncgroup_controllers = [ ]\nstdio_handler = "file"\n',
    );
    await writeFile(join(this.folder, "sasl2", "libvirt.conf"), `${(options.sasl?.(this.folder) ?? []).join("\n")}\n`);
    await writeFile(join(this.folder, "hosts"), `127.0.0.1 localhost ${this.hostname}\n`);
    const mounts = ["etc:/etc/libvirt", "lib:/var/lib/libvirt", "log:/var/log/libvirt", "cache:/var/cache/libvirt"];
    const script = [
      "mount --make-rprivate /",
      // Of its own: libvirt takes hosts of one name for one host.
      `hostname ${this.hostname}`,
      'mount --bind "$1/hosts" /etc/hosts',
      ...[...mounts, "run:/run/libvirt", "sasl2:/etc/sasl2"].map((mount) => {
        const [from = "", to = ""] = mount.split(":");
        return `mkdir -p ${to} && mount --bind "$1/${from}" ${to}`;
      }),
      // Not by exec: the first process of a namespace must reap the QEMUs that libvirtd leaves to it.
      '{ libvirtd --listen -p "$1/libvirtd.pid"; exit $?; }',
    ].join(" && ");
    this.#process = spawn(
      "unshare",
      ["--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", this.folder],
      { stdio: "ignore" },
    );
    const deadline = Date.now() + 30_000;
    while (!(await answers(this.socket))) {
      if (Date.now() > deadline) throw new Error(`libvirtd did not answer on ${this.socket} within 30 s`);
      await delay(50);
    }
  }

  /** Makes a CA, a server's certificate for 127.0.0.1, and one of a client for each name. Files: `pki/<name>/…pem`. */
  async makeCertificates(clients: readonly string[]): Promise<void> {
    await makeAuthority(join(this.folder, "pki", "ca"));
    const ca = join(this.folder, "pki", "ca");
    await makeCertificate(join(this.folder, "pki", "server"), {
      ca,
      name: "server",
      extra: "subjectAltName=IP:127.0.0.1",
    });
    for (const name of clients) {
      await makeCertificate(join(this.folder, "pki", name), { ca, name, extra: "extendedKeyUsage=clientAuth" });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const daemon = this.#process;
    if (daemon !== undefined && daemon.exitCode === null) {
      const exited = once(daemon, "exit");
      daemon.kill("SIGKILL");
      await exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function makeAuthority(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout cakey.pem -out cacert.pem");
}

async function makeCertificate(
  folder: string,
  { ca, name, extra }: { readonly ca: string; readonly name: string; readonly extra: string },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(join(ca, "cacert.pem"), join(folder, "cacert.pem"));
  await writeFile(join(folder, "ext"), `keyUsage=digitalSignature,keyEncipherment\n${extra}\n`);
  openssl(folder, `req -newkey rsa:2048 -nodes -subj /O=vivarium/CN=${name} -keyout clientkey.pem -out csr`);
  openssl(
    folder,
    `x509 -req -in csr -CA cacert.pem -CAkey ${ca}/cakey.pem -CAcreateserial -CAserial serial -days 2 -extfile ext -out clientcert.pem`,
  );
}

function openssl(folder: string, args: string): void {
  execFileSync("openssl", args.split(" "), { cwd: folder, stdio: "ignore" });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
