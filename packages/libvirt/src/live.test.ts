// Against the libvirtd of this machine: its test driver, and QEMU with real volumes and one domain without disks.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { accessSync, constants } from "node:fs";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { pipeline } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  DomainCreateFlags,
  DomainEventDetail,
  DomainMetadataType,
  DomainModificationImpact,
  DomainPausedReason,
  DomainShutoffReason,
  DomainState,
  DriverFeature,
  formatVersion,
  isLibvirtError,
  isUnsupportedCall,
  Libvirt,
  ListDomainsFlags,
  parseUri,
  sparseParts,
  StoragePoolState,
  StorageVolInfoFlags,
  unixDialer,
} from "./index.ts";
import type { DomainEvent, LibvirtErrorCode, StoragePool, StorageVolume } from "./index.ts";
import { nothing } from "./xdr/codec.ts";
import { remote } from "./protocol/procedure.ts";

const socket = "/run/libvirt/libvirt-sock";
const skip = canUse(socket) ? false : `no usable libvirtd socket at ${socket}`;
const own = `libvirt-live-${process.pid}`;

function canUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function code(wanted: LibvirtErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isLibvirtError(error, wanted), `expected ${wanted}, got ${String(error)}`);
    return true;
  };
}

/** Collects events until one fits. */
function eventsUntil(libvirt: Libvirt, fits: (event: DomainEvent) => boolean): Promise<DomainEvent[]> {
  const events: DomainEvent[] = [];
  return new Promise((resolve) => {
    const end = libvirt.onDomainEvent((event) => {
      events.push(event);
      if (!fits(event)) return;
      end();
      resolve(events);
    });
  });
}

/** A socket in front of the daemon's, to cut connections without harm to the daemon. */
async function startRelay(): Promise<{ path: string; cut(): void; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "vivarium-libvirt-relay-"));
  const path = join(folder, "sock");
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ path: socket });
    clients.add(client);
    pipeline(client, upstream, client, () => clients.delete(client));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const cut = (): void => {
    for (const client of clients) client.destroy();
  };
  return {
    path,
    cut,
    async close() {
      cut();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** The facade, with one call more: a procedure that no libvirt has. */
class FutureLibvirt extends Libvirt {
  async callOfTheFuture(): Promise<void> {
    await this.call(remote("callOfTheFuture", 99_999, nothing, nothing), {});
  }
}

describe("test driver of the local libvirtd", { skip }, () => {
  let libvirt: FutureLibvirt;

  before(async () => {
    libvirt = new FutureLibvirt(parseUri("test:///default"));
    await libvirt.ready({ timeoutMs: 5000 });
  });
  after(() => libvirt.close());

  test("the daemon and its host tell who they are", async () => {
    assert.equal(await libvirt.connectGetType(), "TEST");
    assert.equal(await libvirt.connectGetUri(), "test:///default");
    assert.match(formatVersion(await libvirt.connectGetLibVersion()), /^\d+\.\d+\.\d+$/);
    assert.equal(await libvirt.connectSupportsFeature(DriverFeature.PROGRAM_KEEPALIVE), true);
    const node = await libvirt.nodeGetInfo();
    assert.deepEqual(
      { model: node.model, cpus: node.cpus, memoryBytes: node.memoryBytes },
      {
        model: "i686",
        cpus: 16,
        memoryBytes: 3 * 1024 ** 3,
      },
    );
  });

  test("a domain is looked up by name and UUID, and looked at", async () => {
    const domain = await libvirt.domainLookupByName("test");
    assert.deepEqual(await libvirt.domainLookupByUuid(domain.uuid), domain);
    assert.equal((await libvirt.domainGetState(domain)).state, DomainState.RUNNING);
    assert.equal((await libvirt.domainGetInfo(domain)).maxMemoryBytes, 8 * 1024 ** 3);
    assert.equal(await libvirt.domainIsPersistent(domain), true);
    assert.match(await libvirt.domainGetXmlDesc(domain), /^<domain type='test'/);
    assert.equal((await libvirt.connectListAllDomains({ flags: ListDomainsFlags.ACTIVE })).length, 1);
  });

  test("suspending and resuming is told as events, in order", async () => {
    const domain = await libvirt.domainLookupByName("test");
    const events = eventsUntil(libvirt, (event) => event.kind === "lifecycle" && event.event === "resumed");
    await libvirt.domainSuspend(domain);
    await libvirt.domainResume(domain);
    assert.deepEqual(
      (await events).map((event) => event.kind === "lifecycle" && event.event),
      ["suspended", "resumed"],
    );
  });

  test("a screenshot comes over a stream as a picture", async () => {
    const { mimeType, bytes } = await libvirt.domainScreenshot(await libvirt.domainLookupByName("test"));
    assert.equal(mimeType, "image/png");
    assert.equal(Buffer.from(bytes.subarray(1, 4)).toString(), "PNG");
  });

  test("errors are told by code", async () => {
    const domain = await libvirt.domainLookupByName("test");
    await assert.rejects(libvirt.domainLookupByName("absent"), code("NO_DOMAIN"));
    await assert.rejects(libvirt.networkLookupByName("absent"), code("NO_NETWORK"));
    await assert.rejects(libvirt.storagePoolLookupByName("absent"), code("NO_STORAGE_POOL"));
    await assert.rejects(libvirt.domainDefineXmlFlags("<domain"), code("XML_DETAIL"));
    await assert.rejects(libvirt.domainResume(domain), code("INTERNAL_ERROR"));
    await assert.rejects(libvirt.qemuDomainAgentCommand(domain, "{}"), code("NO_SUPPORT"));
    await assert.rejects(libvirt.callOfTheFuture(), (error) => isUnsupportedCall(error) && error.number === 39);
  });

  test("after a cut connection it reconnects and hears events again", async (t) => {
    const relay = await startRelay();
    t.after(() => relay.close());
    using client = new Libvirt({
      ...parseUri("test:///default"),
      dial: unixDialer(relay.path),
      reconnect: { initialMs: 5, maxMs: 50 },
    });
    await client.ready({ timeoutMs: 5000 });
    const domain = await client.domainLookupByName("test");
    const reconnected = new Promise<void>((resolve) => {
      client.onState((event) => event.kind === "connected" && resolve());
    });
    relay.cut();
    await reconnected;
    const events = eventsUntil(client, (event) => event.kind === "lifecycle" && event.event === "resumed");
    await client.domainSuspend(domain);
    await client.domainResume(domain);
    assert.equal((await events).length, 2);
  });

  test("an idle connection that pings often stays up", async () => {
    using client = new Libvirt({ ...parseUri("test:///default"), keepaliveIntervalMs: 10 });
    await client.ready({ timeoutMs: 5000 });
    const events: string[] = [];
    client.onState((event) => events.push(event.kind));
    await client.domainScreenshot(await client.domainLookupByName("test"));
    // Time is what is tested here: twenty intervals.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(events, []);
    assert.equal(client.state, "connected");
  });

  test("many calls at once are all answered", async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => libvirt.connectGetLibVersion()));
    assert.equal(new Set(answers).size, 1);
  });
});

describe("storage of the local libvirtd", { skip }, () => {
  const sizeBytes = 9 * 1024 * 1024 + 17;
  const data = randomBytes(sizeBytes);
  let libvirt: Libvirt;
  let folder: string;
  let pool: StoragePool;
  let volume: StorageVolume;

  before(async () => {
    libvirt = new Libvirt(parseUri("qemu:///system"));
    await libvirt.ready({ timeoutMs: 5000 });
    folder = await mkdtemp(join(tmpdir(), "vivarium-libvirt-live-"));
    await chmod(folder, 0o755);
    pool = await libvirt.storagePoolDefineXml(
      `<pool type='dir'><name>${own}</name><target><path>${folder}/pool</path></target></pool>`,
    );
    await libvirt.storagePoolBuild(pool);
    await libvirt.storagePoolCreate(pool);
    volume = await libvirt.storageVolCreateXml(pool, volumeXml("a", sizeBytes));
  });
  after(async () => {
    await libvirt.storagePoolDestroy(pool).catch(() => {});
    await libvirt.storagePoolUndefine(pool);
    libvirt.close();
    await rm(folder, { recursive: true });
  });

  function volumeXml(name: string, capacityBytes: number): string {
    return `<volume><name>${name}</name><capacity>${capacityBytes}</capacity><allocation>0</allocation></volume>`;
  }

  async function* pieces(pieceBytes: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < data.length; at += pieceBytes) yield data.subarray(at, at + pieceBytes);
  }

  async function downloaded(range: { offsetBytes?: number; lengthBytes?: number } = {}): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of libvirt.storageVolDownload(volume, range)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  function digest(bytes: Uint8Array): string {
    return createHash("sha256").update(bytes).digest("hex");
  }

  test("a pool tells its state and what it holds", async () => {
    const info = await libvirt.storagePoolGetInfo(pool);
    assert.equal(info.state, StoragePoolState.RUNNING);
    assert.ok(info.capacityBytes > info.availableBytes && info.availableBytes > 0);
    assert.equal(await libvirt.storagePoolIsActive(pool), true);
    assert.deepEqual(await libvirt.storagePoolListAllVolumes(pool), [volume]);
    assert.deepEqual(await libvirt.storageVolLookupByName(pool, "a"), volume);
    assert.deepEqual(await libvirt.storageVolLookupByPath(await libvirt.storageVolGetPath(volume)), volume);
    assert.match(await libvirt.storagePoolGetXmlDesc(pool), /<pool type='dir'>/);
    assert.match(await libvirt.storageVolGetXmlDesc(volume), /<volume type='file'>/);
    await libvirt.storagePoolSetAutostart(pool, true);
    await libvirt.storagePoolRefresh(pool);
  });

  test("what was uploaded is downloaded byte for byte, whatever pieces it came in", async () => {
    for (const pieceBytes of [100_003, 4 * 1024 * 1024]) {
      let progress = 0;
      const sent = await libvirt.storageVolUpload(volume, pieces(pieceBytes), {
        onProgress: (sentBytes) => {
          assert.ok(sentBytes >= progress);
          progress = sentBytes;
        },
      });
      assert.equal(sent, sizeBytes);
      assert.equal(progress, sizeBytes);
      assert.equal(digest(await downloaded()), digest(data));
    }
  });

  test("a part of a volume is read and written where it lies", async () => {
    assert.deepEqual(
      await downloaded({ offsetBytes: 1_000_001, lengthBytes: 300_000 }),
      data.subarray(1_000_001, 1_300_001),
    );
    async function* patch(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("patched");
    }
    await libvirt.storageVolUpload(volume, patch(), { offsetBytes: 5, lengthBytes: 7 });
    assert.equal((await downloaded({ offsetBytes: 0, lengthBytes: 13 })).subarray(5, 12).toString(), "patched");
  });

  test("holes are neither sent nor kept, up and down", async () => {
    const holey = await libvirt.storageVolCreateXml(pool, volumeXml("holey", 64 * 1024 * 1024));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield data.subarray(0, 1024 * 1024);
      for (let index = 0; index < 61; index++) yield Buffer.alloc(1024 * 1024);
      yield data.subarray(1024 * 1024, 2 * 1024 * 1024);
      yield Buffer.alloc(1024 * 1024);
    }
    assert.equal(await libvirt.storageVolUploadSparse(holey, sparseParts(source())), 64 * 1024 * 1024);
    assert.ok((await libvirt.storageVolGetInfo(holey)).allocationBytes < 4 * 1024 * 1024);
    const parts: string[] = [];
    let heldBytes = 0;
    for await (const part of libvirt.storageVolDownloadSparse(holey)) {
      const isHole = !(part instanceof Uint8Array);
      if (!isHole) heldBytes += part.length;
      const kind = isHole ? `hole ${part.holeBytes}` : "data";
      if (parts.at(-1) !== kind) parts.push(kind);
    }
    assert.deepEqual(parts, ["data", `hole ${61 * 1024 * 1024}`, "data", `hole ${1024 * 1024}`]);
    assert.equal(heldBytes, 2 * 1024 * 1024);
    const all = createHash("sha256");
    for await (const chunk of libvirt.storageVolDownload(holey)) all.update(chunk);
    const wanted = createHash("sha256");
    for await (const chunk of source()) wanted.update(chunk);
    assert.equal(all.digest("hex"), wanted.digest("hex"));
    await libvirt.storageVolDelete(holey);
  });

  test("more than the range takes is refused, and the daemon goes on serving", async () => {
    await assert.rejects(
      libvirt.storageVolUpload(volume, pieces(1024 * 1024), { lengthBytes: 1000 }),
      code("SYSTEM_ERROR"),
    );
    assert.equal((await downloaded({ lengthBytes: 1000 })).length, 1000);
  });

  test("an upload is aborted by its signal, and the next one works", async () => {
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield data.subarray(0, 1000);
      abort.abort(new Error("stop here"));
      for (;;) yield data.subarray(0, 1000);
    }
    await assert.rejects(libvirt.storageVolUpload(volume, endless(), { signal: abort.signal }), /stop here/);
    assert.equal(await libvirt.storageVolUpload(volume, pieces(1024 * 1024)), sizeBytes);
  });

  test("a volume grows, is copied, and is deleted", async () => {
    await libvirt.storageVolResize(volume, 16 * 1024 * 1024);
    assert.equal((await libvirt.storageVolGetInfo(volume)).capacityBytes, 16 * 1024 * 1024);
    const physical = await libvirt.storageVolGetInfoFlags(volume, { flags: StorageVolInfoFlags.GET_PHYSICAL });
    assert.equal(physical.allocationBytes, 16 * 1024 * 1024);
    const copy = await libvirt.storageVolCreateXmlFrom(pool, { xml: volumeXml("b", sizeBytes), from: volume });
    await libvirt.storageVolDelete(copy);
    await assert.rejects(libvirt.storageVolLookupByName(pool, "b"), code("NO_STORAGE_VOL"));
    await assert.rejects(libvirt.storageVolCreateXml(pool, volumeXml("a", 1)), code("STORAGE_VOL_EXIST"));
  });
});

describe("a QEMU domain of the local libvirtd", { skip, timeout: 90_000 }, () => {
  let libvirt: Libvirt;

  before(async () => {
    libvirt = new Libvirt(parseUri("qemu:///system"));
    await libvirt.ready({ timeoutMs: 5000 });
  });
  after(() => libvirt.close());

  test("it is defined, started, talked to over its console, stopped and undefined; each step is told", async () => {
    const domain = await libvirt.domainDefineXmlFlags(`<domain type='qemu'>
      <name>${own}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os>
      <devices><controller type='usb' model='none'/><memballoon model='none'/>
      <serial type='pty'/><console type='pty'/></devices></domain>`);
    const undefinedEvents = eventsUntil(
      libvirt,
      (event) => event.domain.uuid === domain.uuid && event.kind === "lifecycle" && event.event === "undefined",
    );
    try {
      await libvirt.domainSetMetadata(
        domain,
        { type: DomainMetadataType.ELEMENT, metadata: "<owner/>", key: "live", uri: "urn:live" },
        { flags: DomainModificationImpact.CONFIG },
      );
      assert.match(
        await libvirt.domainGetMetadata(domain, { type: DomainMetadataType.ELEMENT, uri: "urn:live" }),
        /<owner\/>/,
      );
      await assert.rejects(
        libvirt.domainGetMetadata(domain, { type: DomainMetadataType.ELEMENT, uri: "urn:other" }),
        code("NO_DOMAIN_METADATA"),
      );

      const started = await libvirt.domainCreateWithFlags(domain, { flags: DomainCreateFlags.PAUSED });
      assert.ok(started.id > 0);
      assert.deepEqual(await libvirt.domainGetState(domain), {
        state: DomainState.PAUSED,
        reason: DomainPausedReason.USER,
      });
      const console = await libvirt.domainOpenConsole(domain);
      await libvirt.domainResume(domain);
      await console.write(Buffer.from("\r"));
      let printed = "";
      for await (const chunk of console.output) {
        printed += Buffer.from(chunk).toString("latin1");
        if (printed.includes("No bootable device")) await libvirt.domainDestroyFlags(domain);
      }
      assert.match(printed, /SeaBIOS/);
      assert.deepEqual(await libvirt.domainGetState(domain), {
        state: DomainState.SHUTOFF,
        reason: DomainShutoffReason.DESTROYED,
      });
      await assert.rejects(libvirt.domainShutdownFlags(domain), code("OPERATION_INVALID"));
    } finally {
      await libvirt.domainDestroyFlags(domain).catch(() => {});
      await libvirt.domainUndefineFlags(domain);
    }
    const events = (await undefinedEvents).filter((event) => event.domain.uuid === domain.uuid);
    assert.ok(events.some((event) => event.kind === "metadata" && event.uri === "urn:live"));
    const steps = events.filter((event) => event.kind === "lifecycle");
    const names = steps.map((event) => event.event);
    assert.deepEqual(
      // The event of the definition may come before or after its answer; QEMU tells of a start in pause and of its end, too.
      names.filter((name) => name !== "defined" && name !== "suspended" && name !== "shutdown"),
      ["started", "resumed", "stopped", "undefined"],
    );
    const stopped = steps.find((event) => event.event === "stopped");
    assert.equal(stopped?.detail, DomainEventDetail.stopped.DESTROYED);
  });

  test("the host and its default network tell what they have", async () => {
    const memory = await libvirt.nodeGetMemoryStats();
    assert.ok((memory.totalBytes ?? 0) > (memory.freeBytes ?? 0));
    assert.ok((await libvirt.nodeGetFreeMemory()) > 0);
    assert.match(await libvirt.connectGetCapabilities(), /<capabilities>/);
    assert.match(await libvirt.connectGetDomainCapabilities({ virtType: "qemu" }), /<domainCapabilities>/);
    for (const network of await libvirt.connectListAllNetworks()) {
      assert.match(await libvirt.networkGetXmlDesc(network), /<network/);
      if (await libvirt.networkIsActive(network)) assert.ok(Array.isArray(await libvirt.networkGetDhcpLeases(network)));
    }
  });
});
