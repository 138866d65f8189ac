// A libvirtd of the benchmark's own, in namespaces of its own, so that the machine's stays as it is. Needs root.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Libvirt, LibvirtConnectionError, parseUri } from "@vivarium/libvirt";

const enter = new URL("../../e2e/enter.sh", import.meta.url).pathname;

export interface OwnLibvirtd {
  /** For every client alike. */
  readonly uri: string;
  /** For pools; on the machine's disk. */
  readonly folder: string;
}

export async function withOwnLibvirtd<T>(use: (daemon: OwnLibvirtd) => Promise<T>): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), "vivarium-bench-"));
  const folder = join(parent, "host");
  const daemon = spawn("sh", [enter, folder, "libvirtd", "-p", "/run/libvirt/libvirtd.pid"], { stdio: "ignore" });
  const exited = once(daemon, "exit");
  const uri = `qemu+unix:///system?socket=${folder}/run/libvirt-sock`;
  try {
    await Promise.race([
      untilItAnswers(uri),
      exited.then(([code]) => {
        throw new Error(`libvirtd ended with ${String(code)}`);
      }),
    ]);
    return await use({ uri, folder });
  } finally {
    daemon.kill("SIGKILL");
    await exited;
    await rm(parent, { recursive: true, force: true });
  }
}

/** QEMU is asked what it can do on the first connection, which takes seconds. */
async function untilItAnswers(uri: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      using libvirt = new Libvirt({ ...parseUri(uri), openTimeoutMs: 60_000 });
      await libvirt.ready({ timeoutMs: 60_000 });
      await libvirt.connectGetCapabilities();
      return;
    } catch (error) {
      if (!(error instanceof LibvirtConnectionError) || Date.now() > deadline) throw error;
      await delay(100);
    }
  }
}
