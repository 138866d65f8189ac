// A running QEMU domain moves between two libvirtds of our own, that have processes, files and names apart.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DomainState, isLibvirtError, Libvirt, MigrateFlags, migrateDomain, parseUri } from "./index.ts";
import { PrivateDaemon, whyNoPrivateDaemon } from "./testing/private-daemon.ts";

const skip = whyNoPrivateDaemon() ?? false;

describe("live migration", { skip, timeout: 120_000 }, () => {
  const daemons: PrivateDaemon[] = [];
  const clients: Libvirt[] = [];

  async function startHost(): Promise<{ daemon: PrivateDaemon; libvirt: Libvirt }> {
    const daemon = await PrivateDaemon.prepare();
    daemons.push(daemon);
    await daemon.start({
      config: () => ["listen_tls = 0", "listen_tcp = 1", 'auth_tcp = "none"', 'auth_unix_rw = "none"'],
    });
    const libvirt = new Libvirt({
      ...parseUri(`qemu+unix:///system?socket=${daemon.socket}`),
      openTimeoutMs: 60_000,
    });
    clients.push(libvirt);
    await libvirt.ready({ timeoutMs: 60_000 });
    return { daemon, libvirt };
  }

  let here: Awaited<ReturnType<typeof startHost>>;
  let there: Awaited<ReturnType<typeof startHost>>;

  before(async () => {
    here = await startHost();
    there = await startHost();
  });
  after(async () => {
    for (const client of clients) {
      for (const domain of await client.connectListAllDomains())
        await client.domainDestroyFlags(domain).catch(() => {});
      client.close();
    }
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
  });

  const xml = `<domain type='qemu'><name>traveller</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`;
  const params = { migrate_uri: "tcp://127.0.0.1", listen_address: "127.0.0.1" };

  test("the client leads both daemons through the steps, there and back", async () => {
    const domain = await here.libvirt.domainCreateXml(xml);
    const moved = await migrateDomain(domain, {
      from: here.libvirt,
      to: there.libvirt,
      params,
      flags: MigrateFlags.LIVE,
    });
    assert.equal(moved.uuid, domain.uuid);
    assert.equal((await there.libvirt.domainGetState(moved)).state, DomainState.RUNNING);
    await assert.rejects(here.libvirt.domainGetState(domain), (error) => isLibvirtError(error, "NO_DOMAIN"));
    const back = await migrateDomain(moved, {
      from: there.libvirt,
      to: here.libvirt,
      params,
      flags: MigrateFlags.LIVE,
    });
    assert.equal((await here.libvirt.domainGetState(back)).state, DomainState.RUNNING);
    await here.libvirt.domainDestroyFlags(back);
  });

  test("one daemon moves it to the other by itself", async () => {
    const domain = await here.libvirt.domainCreateXml(xml);
    const destinationUri = `qemu+tcp://127.0.0.1:${there.daemon.tcpPort}/system`;
    await here.libvirt.domainMigrateToUri3(domain, { destinationUri, params }, { flags: MigrateFlags.LIVE });
    const [moved] = await there.libvirt.connectListAllDomains();
    assert.equal(moved?.uuid, domain.uuid);
    await there.libvirt.domainDestroyFlags(moved);
  });

  test("a move that fails leaves it running here and nothing there", async () => {
    const domain = await here.libvirt.domainCreateXml(xml);
    // Nobody listens there: the memory has no way.
    const nowhere = { migrate_uri: "tcp://127.0.0.2:1", listen_address: "127.0.0.1" };
    await assert.rejects(
      migrateDomain(domain, { from: here.libvirt, to: there.libvirt, params: nowhere, flags: MigrateFlags.LIVE }),
    );
    assert.equal((await here.libvirt.domainGetState(domain)).state, DomainState.RUNNING);
    assert.deepEqual(await there.libvirt.connectListAllDomains(), []);
    await assert.rejects(here.libvirt.domainAbortJob(domain), (error) => isLibvirtError(error, "OPERATION_INVALID"));
    await here.libvirt.domainDestroyFlags(domain);
  });
});
