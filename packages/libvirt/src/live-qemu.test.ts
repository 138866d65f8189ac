// Disks, jobs, devices, filters and secrets of a real QEMU domain under TCG. It has a BIOS and no guest, so that it needs no image.

import assert from "node:assert/strict";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  BlockCommitFlags,
  BlockCopyFlags,
  BlockJobAbortFlags,
  DomainDeviceModifyFlags,
  DomainJobStatsFlags,
  DomainJobType,
  DomainModificationImpact,
  DomainSnapshotCreateFlags,
  DomainSnapshotDeleteFlags,
  DomainStatsFlags,
  DomainUndefineFlags,
  DomainVcpuFlags,
  isLibvirtError,
  Libvirt,
  parseUri,
  SecretUsageType,
} from "./index.ts";
import type { Domain, DomainEvent, LibvirtErrorCode, StoragePool, StorageVolume } from "./index.ts";
import { PrivateDaemon, whyNoPrivateDaemon } from "./testing/private-daemon.ts";

const skip = whyNoPrivateDaemon() ?? false;

function code(wanted: LibvirtErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isLibvirtError(error, wanted), `expected ${wanted}, got ${String(error)}`);
    return true;
  };
}

describe("a QEMU domain of a libvirtd of our own", { skip, timeout: 120_000 }, () => {
  let daemon: PrivateDaemon;
  let libvirt: Libvirt;
  let folder: string;
  let pool: StoragePool;
  let volume: StorageVolume;
  let domain: Domain;

  before(async () => {
    daemon = await PrivateDaemon.prepare();
    await daemon.start({ config: () => ["listen_tls = 0", 'auth_unix_rw = "none"'] });
    libvirt = new Libvirt({ ...parseUri(`qemu+unix:///system?socket=${daemon.socket}`), openTimeoutMs: 60_000 });
    await libvirt.ready({ timeoutMs: 60_000 });
    folder = await mkdtemp(join(tmpdir(), "vivarium-libvirt-qemu-"));
    await chmod(folder, 0o777);
    pool = await libvirt.storagePoolCreateXml(
      `<pool type='dir'><name>own</name><target><path>${folder}</path></target></pool>`,
    );
    volume = await makeVolume("a.qcow2");
    domain = await libvirt.domainDefineXmlFlags(`<domain type='qemu'>
      <name>own</name><memory unit='MiB'>32</memory><vcpu current='1'>2</vcpu>
      <features><acpi/></features><os><type arch='x86_64' machine='pc'>hvm</type></os>
      <devices><controller type='usb' model='none'/>${diskXml(volume, "vda")}</devices></domain>`);
    domain = await libvirt.domainCreateWithFlags(domain);
  });
  after(async () => {
    await libvirt.domainDestroyFlags(domain).catch(() => {});
    await libvirt.domainUndefineFlags(domain, {
      flags: DomainUndefineFlags.SNAPSHOTS_METADATA | DomainUndefineFlags.CHECKPOINTS_METADATA,
    });
    libvirt.close();
    await daemon[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  function makeVolume(name: string): Promise<StorageVolume> {
    return libvirt.storageVolCreateXml(
      pool,
      `<volume><name>${name}</name><capacity unit='MiB'>8</capacity><target><format type='qcow2'/></target></volume>`,
    );
  }

  function diskXml({ key }: StorageVolume, target: string): string {
    return `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${key}'/>
      <target dev='${target}' bus='virtio'/></disk>`;
  }

  function next(fits: (event: DomainEvent) => boolean): Promise<DomainEvent> {
    return new Promise((resolve) => {
      const end = libvirt.onDomainEvent((event) => {
        if (!fits(event)) return;
        end();
        resolve(event);
      });
    });
  }

  function overlay(name: string): Promise<unknown> {
    const { DISK_ONLY, ATOMIC, NO_METADATA } = DomainSnapshotCreateFlags;
    return libvirt.domainSnapshotCreateXml(domain, `<domainsnapshot><name>${name}</name></domainsnapshot>`, {
      flags: DISK_ONLY | ATOMIC | NO_METADATA,
    });
  }

  function jobIs(status: string): Promise<DomainEvent> {
    return next((event) => event.kind === "block-job" && event.disk === "vda" && event.status === status);
  }

  test("a disk tells its figures, grows, and gets limits while it runs", async () => {
    await libvirt.domainBlockResize(domain, { disk: "vda", capacityBytes: 16 * 1024 * 1024 });
    assert.equal((await libvirt.domainGetBlockInfo(domain, "vda")).capacityBytes, 16 * 1024 * 1024);
    assert.equal(typeof (await libvirt.domainBlockStatsFlags(domain, "vda"))["rd_bytes"], "number");
    const limits = { total_iops_sec: 200, read_bytes_sec: 5_000_000 };
    await libvirt.domainSetBlockIoTune(domain, { disk: "vda", limits }, { flags: DomainModificationImpact.LIVE });
    const told = await libvirt.domainGetBlockIoTune(domain, "vda", { flags: DomainModificationImpact.LIVE });
    assert.deepEqual([told["total_iops_sec"], told["read_bytes_sec"]], [200, 5_000_000]);
  });

  test("one bulk call tells of CPU, memory, disks and state", async () => {
    const [stats] = await libvirt.connectGetAllDomainStats({
      flags: DomainStatsFlags.ACTIVE | DomainStatsFlags.NOWAIT,
    });
    assert.equal(stats?.domain.name, "own");
    assert.equal(stats.values["state.state"], 1);
    assert.equal(stats.values["block.0.name"], "vda");
    assert.ok(Number(stats.values["cpu.time"]) > 0);
    assert.ok(((await libvirt.domainMemoryStats(domain)).rssBytes ?? 0) > 1024 * 1024);
  });

  test("a device is attached and refused a second time; one that is not there is DEVICE_MISSING", async () => {
    const added = next((event) => event.kind === "device-added");
    const extra = diskXml(await makeVolume("b.qcow2"), "vdb");
    await libvirt.domainAttachDeviceFlags(domain, extra, { flags: DomainDeviceModifyFlags.LIVE });
    await added;
    await assert.rejects(
      libvirt.domainAttachDeviceFlags(domain, extra, { flags: DomainDeviceModifyFlags.LIVE }),
      code("XML_ERROR"),
    );
    const absent = extra.replace("vdb", "vdx");
    await assert.rejects(
      libvirt.domainDetachDeviceFlags(domain, absent, { flags: DomainDeviceModifyFlags.LIVE }),
      code("DEVICE_MISSING"),
    );
  });

  test("overlays are pulled in, committed down, and a copy is given up; events tell of each job's end", async () => {
    await overlay("one");
    const pulled = jobIs("completed");
    await libvirt.domainBlockPull(domain, { disk: "vda" });
    await pulled;
    await overlay("two");
    const ready = jobIs("ready");
    await libvirt.domainBlockCommit(domain, { disk: "vda" }, { flags: BlockCommitFlags.ACTIVE });
    await ready;
    const job = await libvirt.domainGetBlockJobInfo(domain, "vda");
    assert.ok(job !== undefined && job.current === job.end);
    const committed = jobIs("completed");
    await libvirt.domainBlockJobAbort(domain, "vda", { flags: BlockJobAbortFlags.PIVOT });
    await committed;
    const copied = jobIs("ready");
    const xml = `<disk type='file'><source file='${folder}/copy.qcow2'/><driver type='qcow2'/></disk>`;
    await libvirt.domainBlockCopy(
      domain,
      { disk: "vda", xml, params: { bandwidth: 50_000_000 } },
      { flags: BlockCopyFlags.TRANSIENT_JOB },
    );
    await copied;
    const canceled = jobIs("canceled");
    await libvirt.domainBlockJobAbort(domain, "vda");
    await canceled;
    assert.equal(await libvirt.domainGetBlockJobInfo(domain, "vda"), undefined);
  });

  test("a backup since a checkpoint is a job whose end and figures are told", async () => {
    const checkpoint = await libvirt.domainCheckpointCreateXml(
      domain,
      "<domaincheckpoint><name>c</name></domaincheckpoint>",
    );
    const completed = next((event) => event.kind === "job-completed");
    await libvirt.domainBackupBegin(domain, {
      xml: `<domainbackup><incremental>c</incremental><disks><disk name='vda' type='file'>
        <target file='${folder}/backup.qcow2'/><driver type='qcow2'/></disk><disk name='vdb' backup='no'/></disks></domainbackup>`,
    });
    const event = await completed;
    assert.ok(event.kind === "job-completed" && event.values["success"] === true);
    const stats = await libvirt.domainGetJobStats(domain, { flags: DomainJobStatsFlags.COMPLETED });
    assert.equal(stats.type, DomainJobType.COMPLETED);
    await assert.rejects(libvirt.domainBackupGetXmlDesc(domain), code("NO_DOMAIN_BACKUP"));
    await assert.rejects(libvirt.domainAbortJob(domain), code("OPERATION_INVALID"));
    await libvirt.domainCheckpointDelete(checkpoint);
  });

  test("a snapshot with memory is taken, reverted to and deleted", async () => {
    const snapshot = await libvirt.domainSnapshotCreateXml(domain, "<domainsnapshot><name>s</name></domainsnapshot>");
    await libvirt.domainRevertToSnapshot(snapshot);
    assert.equal(await libvirt.domainIsActive(domain), true);
    await libvirt.domainSnapshotDelete(snapshot, { flags: DomainSnapshotDeleteFlags.CHILDREN });
    await assert.rejects(libvirt.domainSnapshotLookupByName(domain, "s"), code("NO_DOMAIN_SNAPSHOT"));
  });

  test("memory and CPUs follow their limits; without an agent a guest's call says so", async () => {
    await libvirt.domainSetVcpusFlags(domain, 2, { flags: DomainVcpuFlags.LIVE });
    assert.equal(await libvirt.domainGetVcpusFlags(domain, { flags: DomainVcpuFlags.LIVE }), 2);
    await libvirt.domainSetMemoryFlags(domain, 24 * 1024 * 1024, { flags: DomainModificationImpact.CONFIG });
    await libvirt.domainSendKey(domain, { keycodes: [28] });
    await assert.rejects(libvirt.domainFsFreeze(domain), code("ARGUMENT_UNSUPPORTED"));
    await assert.rejects(libvirt.domainGetGuestInfo(domain), code("ARGUMENT_UNSUPPORTED"));
  });

  test("a managed save is gone on from", async () => {
    await libvirt.domainManagedSave(domain);
    assert.equal(await libvirt.domainIsActive(domain), false);
    assert.equal(await libvirt.domainHasManagedSaveImage(domain), true);
    domain = await libvirt.domainCreateWithFlags(domain);
    assert.equal(await libvirt.domainHasManagedSaveImage(domain), false);
  });

  test("filters and secrets are defined, found, told and undefined", async () => {
    const filter = await libvirt.nwfilterDefineXml(
      "<filter name='own'><rule action='drop' direction='in'><mac protocolid='ipv6'/></rule></filter>",
    );
    assert.deepEqual(await libvirt.nwfilterLookupByName("own"), filter);
    assert.deepEqual(await libvirt.nwfilterLookupByUuid(filter.uuid), filter);
    assert.match(await libvirt.nwfilterGetXmlDesc(filter), /action='drop'/);
    assert.ok((await libvirt.connectListAllNwFilters()).some(({ name }) => name === "own"));
    assert.deepEqual(await libvirt.connectListAllNwFilterBindings(), []);
    await libvirt.nwfilterUndefine(filter);
    await assert.rejects(libvirt.nwfilterLookupByName("own"), code("NO_NWFILTER"));

    const secret = await libvirt.secretDefineXml(
      "<secret ephemeral='yes'><usage type='volume'><volume>/own</volume></usage></secret>",
    );
    const value = Buffer.from("a\0b");
    await libvirt.secretSetValue(secret, value);
    assert.deepEqual(Buffer.from(await libvirt.secretGetValue(secret)), value);
    assert.deepEqual(await libvirt.secretLookupByUsage(SecretUsageType.VOLUME, "/own"), secret);
    assert.deepEqual(await libvirt.secretLookupByUuid(secret.uuid), secret);
    assert.match(await libvirt.secretGetXmlDesc(secret), /ephemeral='yes'/);
    assert.deepEqual(await libvirt.connectListAllSecrets(), [secret]);
    await libvirt.secretUndefine(secret);
    await assert.rejects(libvirt.secretLookupByUuid(secret.uuid), code("NO_SECRET"));
  });

  test("volumes are wiped and found by key, pools by volume", async () => {
    const spare = await makeVolume("spare.qcow2");
    assert.deepEqual(await libvirt.storageVolLookupByKey(spare.key), spare);
    assert.equal((await libvirt.storagePoolLookupByVolume(spare)).name, pool.name);
    await libvirt.storageVolWipe(spare);
    assert.match(await libvirt.connectGetStoragePoolCapabilities(), /<storagepoolCapabilities>/);
    assert.equal(await libvirt.storagePoolIsPersistent(pool), false);
  });
});
