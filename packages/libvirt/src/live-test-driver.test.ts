// What libvirt's own test driver has of the calls beyond the basics. All connections of a daemon share one such test host, so these
// tests have a daemon of their own.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  DomainSnapshotDeleteFlags,
  DomainStatsTypes,
  isLibvirtError,
  isUnsupportedCall,
  Libvirt,
  NetworkSection,
  NetworkUpdateCommand,
  NetworkUpdateFlags,
  parseUri,
} from "./index.ts";
import type { Domain } from "./index.ts";
import { PrivateDaemon, whyNoPrivateDaemon } from "./testing/private-daemon.ts";

const skip = whyNoPrivateDaemon() ?? false;

describe("more of the test driver", { skip, timeout: 60_000 }, () => {
  let daemon: PrivateDaemon;
  let libvirt: Libvirt;
  let domain: Domain;

  before(async () => {
    daemon = await PrivateDaemon.prepare();
    await daemon.start({ config: () => ["listen_tls = 0", 'auth_unix_rw = "none"'] });
    libvirt = new Libvirt(parseUri(`test+unix:///default?socket=${daemon.socket}`));
    await libvirt.ready({ timeoutMs: 10_000 });
    domain = await libvirt.domainLookupByName("test");
  });
  after(async () => {
    libvirt.close();
    await daemon[Symbol.asyncDispose]();
  });

  test("a domain tells whether it runs, starts with the host, and differs from its definition", async () => {
    assert.equal(await libvirt.domainIsActive(domain), true);
    assert.equal(await libvirt.domainIsUpdated(domain), false);
    await libvirt.domainSetAutostart(domain, true);
    assert.equal(await libvirt.domainGetAutostart(domain), true);
  });

  test("figures of all domains come in one call, by name and of the kinds asked for", async () => {
    const all = await libvirt.connectGetAllDomainStats({ stats: DomainStatsTypes.STATE });
    assert.deepEqual(all, [{ domain: all[0]?.domain, values: { "state.state": 1, "state.reason": 0 } }]);
    const named = await libvirt.connectGetAllDomainStats({ domains: [domain] });
    assert.equal(named[0]?.domain.name, "test");
  });

  test("figures of one domain have units", async () => {
    const memory = await libvirt.domainMemoryStats(domain);
    assert.ok((memory.actualBytes ?? 0) % 1024 === 0 && (memory.actualBytes ?? 0) > 0);
    assert.ok((await libvirt.domainGetBlockInfo(domain, "vda")).capacityBytes > 0);
    assert.ok((await libvirt.domainBlockStats(domain, "vda")).readBytes >= 0);
    assert.ok((await libvirt.domainInterfaceStats(domain, "testnet0")).receivedBytes >= 0);
  });

  test("limits are changed by name; a field that is none is refused before anything is sent", async () => {
    await libvirt.domainSetBlockIoTune(domain, { disk: "vda", limits: { read_iops_sec_max: 100, group_name: "g" } });
    assert.equal((await libvirt.domainGetBlockIoTune(domain, "vda"))["group_name"], "g");
    const parameters = { "inbound.average": 1000, "outbound.peak": 2000 };
    await libvirt.domainSetInterfaceParameters(domain, { device: "testnet0", parameters });
    const told = await libvirt.domainGetInterfaceParameters(domain, "testnet0");
    assert.equal(typeof told["inbound.average"], "number");
    const wrong: Readonly<Record<string, number>> = { read_iops: 1 };
    await assert.rejects(libvirt.domainSetBlockIoTune(domain, { disk: "vda", limits: wrong }), (error) =>
      isLibvirtError(error, "INVALID_ARG"),
    );
    await assert.rejects(libvirt.domainSetMemoryFlags(domain, 1025), (error) => isLibvirtError(error, "INVALID_ARG"));
  });

  test("keys are pressed, file systems frozen and thawed", async () => {
    await libvirt.domainSendKey(domain, { keycodes: [30, 48], holdMs: 5 });
    assert.equal(await libvirt.domainFsFreeze(domain, { mountpoints: ["/"] }), 1);
    assert.ok((await libvirt.domainFsThaw(domain)) >= 1);
    assert.deepEqual((await libvirt.domainGetFsInfo(domain))[0]?.mountpoint, "/");
    assert.ok((await libvirt.domainGetTime(domain)).seconds > 0);
    assert.equal(typeof (await libvirt.domainGetHostname(domain)), "string");
  });

  test("network, pool, device and interface calls", async () => {
    const network = await libvirt.networkLookupByName("default");
    assert.deepEqual(await libvirt.networkLookupByUuid(network.uuid), network);
    assert.equal(await libvirt.networkIsPersistent(network), true);
    const pool = await libvirt.storagePoolLookupByName("default-pool");
    assert.deepEqual(await libvirt.storagePoolLookupByUuid(pool.uuid), pool);
    assert.equal(await libvirt.storagePoolGetAutostart(pool), false);
    assert.equal(await libvirt.storagePoolIsPersistent(pool), true);
    const devices = await libvirt.connectListAllNodeDevices();
    assert.ok(devices.some((device) => device.name === "computer"));
    const computer = await libvirt.nodeDeviceLookupByName("computer");
    assert.match(await libvirt.nodeDeviceGetXmlDesc(computer), /<device>/);
    assert.equal(await libvirt.nodeDeviceGetParent(computer), undefined);
    const [eth1] = await libvirt.connectListAllInterfaces();
    assert.ok(eth1 !== undefined && (await libvirt.interfaceIsActive(eth1)));
    assert.match(await libvirt.interfaceGetXmlDesc(eth1), /<interface/);
    assert.ok(((await libvirt.nodeGetCpuStats()).userNs ?? 0) > 0);
  });

  test("a network is changed live, and what happens to networks and pools is told", async () => {
    const told: string[] = [];
    const ended = new Promise<void>((resolve) => {
      libvirt.onNetworkEvent((event) => told.push(`${event.network.name} ${event.event}`));
      libvirt.onStoragePoolEvent((event) => {
        told.push(`${event.pool.name} ${event.kind === "refresh" ? "refresh" : event.event}`);
        if (event.kind === "lifecycle" && event.event === "stopped") resolve();
      });
    });
    const network = await libvirt.networkCreateXml(
      "<network><name>own</name><ip address='10.7.0.1' netmask='255.255.255.0'><dhcp/></ip></network>",
    );
    await libvirt.networkUpdate(
      network,
      {
        command: NetworkUpdateCommand.ADD_LAST,
        section: NetworkSection.IP_DHCP_HOST,
        xml: "<host mac='52:54:00:11:22:33' ip='10.7.0.9'/>",
      },
      { flags: NetworkUpdateFlags.LIVE },
    );
    assert.match(await libvirt.networkGetXmlDesc(network), /52:54:00:11:22:33/);
    await libvirt.networkDestroy(network);
    const pool = await libvirt.storagePoolCreateXml(
      "<pool type='dir'><name>own</name><target><path>/own</path></target></pool>",
    );
    await libvirt.storagePoolRefresh(pool);
    await libvirt.storagePoolDestroy(pool);
    await ended;
    assert.deepEqual(told, ["own started", "own stopped", "own started", "own refresh", "own stopped"]);
  });

  test("snapshots form a tree with a current one", async () => {
    const xml = (name: string): string => `<domainsnapshot><name>${name}</name></domainsnapshot>`;
    const first = await libvirt.domainSnapshotCreateXml(domain, xml("a"));
    const second = await libvirt.domainSnapshotCreateXml(domain, xml("b"));
    assert.deepEqual((await libvirt.domainSnapshotGetParent(second)).name, "a");
    await assert.rejects(libvirt.domainSnapshotGetParent(first), (error) =>
      isLibvirtError(error, "NO_DOMAIN_SNAPSHOT"),
    );
    assert.deepEqual((await libvirt.domainListAllSnapshots(domain)).map(({ name }) => name).toSorted(), ["a", "b"]);
    assert.deepEqual(
      (await libvirt.domainSnapshotListAllChildren(first)).map(({ name }) => name),
      ["b"],
    );
    assert.equal((await libvirt.domainSnapshotLookupByName(domain, "b")).name, "b");
    assert.equal(await libvirt.domainSnapshotIsCurrent(second), true);
    await libvirt.domainRevertToSnapshot(first);
    assert.equal((await libvirt.domainSnapshotCurrent(domain)).name, "a");
    assert.match(await libvirt.domainSnapshotGetXmlDesc(first), /<domainsnapshot>/);
    await libvirt.domainSnapshotDelete(first, { flags: DomainSnapshotDeleteFlags.CHILDREN });
    assert.equal(await libvirt.domainHasCurrentSnapshot(domain), false);
  });

  test("a checkpoint is made, listed, told and deleted", async () => {
    const checkpoint = await libvirt.domainCheckpointCreateXml(
      domain,
      "<domaincheckpoint><name>c</name></domaincheckpoint>",
    );
    assert.deepEqual(
      (await libvirt.domainListAllCheckpoints(domain)).map(({ name }) => name),
      ["c"],
    );
    assert.equal((await libvirt.domainCheckpointLookupByName(domain, "c")).name, "c");
    assert.deepEqual(await libvirt.domainCheckpointListAllChildren(checkpoint), []);
    assert.match(await libvirt.domainCheckpointGetXmlDesc(checkpoint), /<domaincheckpoint>/);
    await assert.rejects(libvirt.domainCheckpointGetParent(checkpoint), (error) =>
      isLibvirtError(error, "NO_DOMAIN_CHECKPOINT"),
    );
    await libvirt.domainCheckpointDelete(checkpoint);
  });

  test("memory is saved and comes back, by the daemon or to a file", async () => {
    await libvirt.domainManagedSave(domain);
    assert.equal(await libvirt.domainHasManagedSaveImage(domain), true);
    await libvirt.domainManagedSaveRemove(domain);
    assert.equal(await libvirt.domainHasManagedSaveImage(domain), false);
    await libvirt.domainCreateWithFlags(domain);
    await libvirt.domainSetVcpusFlags(domain, 2);
    assert.equal(await libvirt.domainGetVcpusFlags(domain), 2);
    await libvirt.domainSetMemoryFlags(domain, 1024 ** 3);
    await libvirt.domainSaveFlags(domain, { path: "/run/libvirt/saved" });
    await libvirt.domainRestoreFlags("/run/libvirt/saved");
    assert.equal(await libvirt.domainIsActive(domain), true);
  });

  test("what the driver lacks is told by code", async () => {
    await assert.rejects(libvirt.domainAttachDeviceFlags(domain, "<disk/>"), isUnsupportedCall);
    await assert.rejects(libvirt.connectListAllNwFilters(), isUnsupportedCall);
    await assert.rejects(libvirt.storageVolWipe({ pool: "default-pool", name: "x", key: "x" }), isUnsupportedCall);
  });
});
