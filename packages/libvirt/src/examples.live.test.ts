// The programs in examples/ are run as a reader would run them, against a libvirtd of the test's own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DomainCreateFlags, Libvirt, parseUri } from "./index.ts";
import { PrivateDaemon, whyNoPrivateDaemon } from "./testing/private-daemon.ts";

const skip = whyNoPrivateDaemon() ?? false;
const mib = 2 ** 20;

describe("the examples run", { skip, timeout: 120_000 }, () => {
  let daemon: PrivateDaemon;
  let libvirt: Libvirt;
  let uri: string;

  before(async () => {
    daemon = await PrivateDaemon.prepare();
    await daemon.start({ config: () => ["listen_tls = 0", 'auth_unix_rw = "none"'] });
    uri = `qemu+unix:///system?socket=${daemon.socket}`;
    libvirt = new Libvirt({ ...parseUri(uri), openTimeoutMs: 60_000 });
    await libvirt.ready({ timeoutMs: 60_000 });
    await libvirt.domainDefineXmlFlags(`<domain type='qemu'>
      <name>example</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os>
      <devices><controller type='usb' model='none'/><serial type='pty'/><console type='pty'/></devices></domain>`);
  });
  after(async () => {
    libvirt.close();
    await daemon[Symbol.asyncDispose]();
  });

  test("list-domains prints the domains", async () => {
    using program = new Example("list-domains.ts", [uri]);
    assert.equal(await program.ended, 0, program.printed);
    assert.match(program.printed, /^QEMU, libvirt \d+\.\d+\.\d+ on \S+\nexample\tshutoff\t32 MiB\t[\d.]+ s\n$/);
  });

  test("serial-console prints what the guest prints, watch-events what happens to it", async () => {
    using watcher = new Example("watch-events.ts", [uri]);
    await watcher.until("connected");
    let domain = await libvirt.domainLookupByName("example");
    domain = await libvirt.domainCreateWithFlags(domain, { flags: DomainCreateFlags.PAUSED });
    using terminal = new Example("serial-console.ts", [uri, "example"]);
    await libvirt.domainResume(domain);
    // What it prints before the console is open is lost: it boots until something is seen.
    const booting = setInterval(() => void libvirt.domainReset(domain), 3000);
    await terminal.until("No bootable device");
    clearInterval(booting);
    const leaveKey = Buffer.from([0x1d]);
    terminal.type(leaveKey);
    assert.equal(await terminal.ended, 0);
    await libvirt.domainDestroyFlags(domain);
    await watcher.until('"event":"stopped"');
    watcher.interrupt();
    assert.equal(await watcher.ended, 0);
    assert.match(watcher.printed, /domain example .*"event":"started"/);
  });

  test("upload-volume sends a file without its holes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "vivarium-libvirt-example-"));
    try {
      await chmod(folder, 0o777);
      const file = join(folder, "source.raw");
      const handle = await open(file, "w");
      await handle.write(Buffer.alloc(mib, 7), 0, mib, 4 * mib);
      await handle.truncate(16 * mib);
      await handle.close();
      const pool = await libvirt.storagePoolCreateXml(
        `<pool type='dir'><name>example</name><target><path>${folder}</path></target></pool>`,
      );
      using program = new Example("upload-volume.ts", [uri, "example", "copy.raw", file]);
      assert.equal(await program.ended, 0, program.printed);
      assert.match(program.printed, /copy\.raw: 16777216 bytes/);
      const copy = await libvirt.storageVolLookupByName(pool, "copy.raw");
      const bytes: Uint8Array[] = [];
      for await (const chunk of libvirt.storageVolDownload(copy)) bytes.push(chunk);
      const read = Buffer.concat(bytes);
      assert.deepEqual(
        [read.length, read[4 * mib - 1], read[4 * mib], read[5 * mib - 1], read[5 * mib]],
        [16 * mib, 0, 7, 7, 0],
      );
      await libvirt.storagePoolDestroy(pool);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

class Example implements Disposable {
  readonly #process;
  readonly #listeners = new Set<() => void>();
  readonly ended: Promise<number | null>;
  printed = "";

  constructor(file: string, args: readonly string[]) {
    const path = new URL(`../examples/${file}`, import.meta.url).pathname;
    this.#process = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.ended = once(this.#process, "close").then(() => this.#process.exitCode);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.printed += chunk.toString("latin1");
        for (const listener of this.#listeners) listener();
      });
    }
  }

  async until(text: string): Promise<void> {
    let stop = (): void => undefined;
    const seen = new Promise<void>((resolve) => {
      const look = (): void => void (this.printed.includes(text) && resolve());
      this.#listeners.add(look);
      stop = () => this.#listeners.delete(look);
      look();
    });
    const early = this.ended.then(() =>
      assert.ok(this.printed.includes(text), `ended without "${text}": ${this.printed}`),
    );
    await Promise.race([seen, early]);
    stop();
  }

  type(keys: Buffer): void {
    this.#process.stdin.write(keys);
  }

  interrupt(): void {
    this.#process.kill("SIGINT");
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
  }
}
