// A libvirtd that the test may restart and kill. It runs inside the namespaces made by enter.sh, so it is nobody else's.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const networkFile = "/etc/libvirt/qemu/networks/default.xml";
const socketPath = "/run/libvirt/libvirt-sock";

const defaultNetwork = `<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
`;

/** Says why these tests cannot run here, or undefined when they can. */
export function whyNoHost(): string | undefined {
  return process.env.E2E_HOST_DIR === undefined
    ? "needs root, or sudo without a password, and namespaces of its own (npm run e2e makes them)"
    : undefined;
}

export class LibvirtDaemon implements AsyncDisposable {
  #virtlogd: ChildProcess | undefined;
  #libvirtd: ChildProcess | undefined;

  /** Starts virtlogd and libvirtd with the network `default` active; returns when the socket answers. */
  async start(): Promise<void> {
    await mkdir("/etc/libvirt/qemu/networks/autostart", { recursive: true });
    if (!existsSync(networkFile)) {
      await writeFile(networkFile, defaultNetwork);
      await symlink(networkFile, "/etc/libvirt/qemu/networks/autostart/default.xml");
    }
    this.#virtlogd ??= spawn("virtlogd", ["-f", "/dev/null", "-p", "/run/libvirt/virtlogd.pid"], { stdio: "ignore" });
    this.#libvirtd = spawn("libvirtd", ["-p", "/run/libvirt/libvirtd.pid"], { stdio: "ignore" });
    const deadline = Date.now() + 30_000;
    while (!(await answers())) {
      if (Date.now() > deadline) throw new Error(`libvirtd did not answer on ${socketPath} within 30 s`);
      await delay(50);
    }
  }

  /** Ends libvirtd by this signal; guests go on running. Returns when it is gone. */
  async kill(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const daemon = this.#libvirtd;
    this.#libvirtd = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, "exit");
    daemon.kill(signal);
    await exited;
    await rm(socketPath, { force: true });
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops (SIGSTOP) or resumes (SIGCONT) the daemon, as an overloaded host would. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#libvirtd?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#virtlogd?.kill();
  }
}

async function answers(): Promise<boolean> {
  const socket = connect(socketPath);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
