// Network interfaces on a real host and in guests that run: plugged in and let go, unplugged, filtered, isolated and limited while the
// guests look on.

import assert from "node:assert/strict";
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const gateway = "192.168.122.1";

/** As on a kernel with the queue and the action that libvirt builds limits with: sfq becomes a plain queue, what it lacks besides is left out. */
const tcOfAnotherKernel = `#!/bin/sh
case " $* " in
*" sfq "*) shift 2; exec "$TC" qdisc add dev "$2" parent "$4" handle "$6" pfifo ;;
*" fw "* | *" police "*) exit 0 ;;
esac
exec "$TC" "$@"
`;

function attachment(spec = ""): string {
  return `
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: lan}
spec: {network: {type: nat, libvirt: {networkName: default}}${spec}}
`;
}

const onLan = "networks: [{name: a, networkRef: {name: lan}}]";

describe("interfaces", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;
  let shimPath = "";

  const vm = async (name = "web") => server.get<VirtualMachine>("vm", name);
  const ipOf = async (name: string): Promise<string> => (await vm(name))?.status?.ips?.[0] ?? "";
  const networks = async () => (await vm())?.status?.networks ?? [];
  const virsh = async (...args: readonly string[]): Promise<string> => (await run("virsh", ["-q", ...args])).stdout;
  const untilReason = (name: string, reason: string, type = "Ready") =>
    eventually(
      `vm ${name} has ${type} for ${reason}`,
      async () => {
        const condition = findCondition((await vm(name))?.status?.conditions, type);
        return condition?.reason === reason ? condition : undefined;
      },
      { timeoutMs: 120_000 },
    );
  const patch = async (kind: string, name: string, spec: string): Promise<void> => {
    const patched = await server.kubectl(["patch", kind, name, "--type", "merge", "-p", `{"spec":${spec}}`]);
    assert.equal(patched.code, 0, patched.stderr);
  };
  const setNetworks = (list: string): Promise<void> => patch("vm", "web", `{"networks":${list}}`);
  /** Asked of a guest itself. */
  const ask = async (name: string, path: string, timeoutMs = 15_000): Promise<string> => {
    const answer = await fetch(`http://${await ipOf(name)}/${path}`, { signal: AbortSignal.timeout(timeoutMs) });
    return (await answer.text()).trim();
  };
  /** A guest that was given an address and missed it, on a machine that is too busy, is started once more. */
  const untilAnswering = async (name: string): Promise<void> => {
    const isUp = async () => ((await ask(name, "index.html", 3_000)) === "tiny" ? true : undefined);
    try {
      await eventually(`${name} answers`, isUp, { timeoutMs: 45_000 });
    } catch {
      await server.viv(["restart", name, "--timeout", "120s"], { timeoutMs: 130_000 });
      await eventually(`${name} answers at its second start`, isUp, { timeoutMs: 90_000 });
    }
  };
  const until = (what: string, isSo: () => Promise<boolean>) =>
    eventually(what, async () => ((await isSo()) ? true : undefined), { timeoutMs: 90_000, everyMs: 300 });
  const pings = async (from: string, target: string): Promise<boolean> =>
    (await ask(from, `cgi-bin/ping?${target}`)) === "yes";
  const filters = async (): Promise<string> => virsh("nwfilter-list");

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), "e2e-tc-"));
    const real = (await run("sh", ["-c", "command -v tc"])).stdout.trim();
    process.env["TC"] = real;
    await writeFile(join(folder, "tc"), tcOfAnotherKernel);
    await chmod(join(folder, "tc"), 0o755);
    shimPath = `${folder}:${process.env["PATH"] ?? ""}`;
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(attachment());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });
  test("status tells of each interface what it is and which addresses it has", async () => {
    await server.apply(tinyVm("web", onLan));
    await server.apply(tinyVm("peer", onLan));
    for (const name of ["web", "peer"]) {
      await untilReason(name, "Running");
      await untilAnswering(name);
    }
    const [nic] = await networks();
    assert.deepEqual(
      [nic?.name, nic?.state, nic?.link, nic?.source, nic?.ips],
      ["a", "Attached", "Up", "network/default", [await ipOf("web")]],
    );
    assert.match(await virsh("domiflist", "web"), new RegExp(nic?.mac ?? "no MAC"));
    const peers = (await vm("peer"))?.status?.networks?.map(({ mac }) => mac);
    assert.notEqual(peers?.[0], nic?.mac);
  });

  test("an interface is plugged into the running guest and let go, and the first keeps its MAC address", async () => {
    const startedAt = (await vm())?.status?.startedAt;
    const [first] = await networks();
    await setNetworks('[{"name":"b"},{"name":"a","networkRef":{"name":"lan"}}]');
    await until("the guest sees two", async () => (await ask("web", "cgi-bin/nics")).split("\n").length === 2);
    await untilReason("web", "AsDeclared", "NetworksAttached");
    const mac = (await networks()).find(({ name }) => name === "b")?.mac ?? "";
    assert.match(await ask("web", "cgi-bin/nics"), new RegExp(mac));
    assert.equal((await networks()).find(({ name }) => name === "a")?.mac, first?.mac);
    assert.match(await virsh("domiflist", "web", "--inactive"), new RegExp(mac));
    await setNetworks('[{"name":"b","linkState":"Down"},{"name":"a","networkRef":{"name":"lan"}}]');
    await until("the cable is out", async () => new RegExp(`${mac} 0`).test(await ask("web", "cgi-bin/nics")));
    await until("status says so", async () =>
      (await networks()).some(({ name, link }) => name === "b" && link === "Down"),
    );
    await setNetworks('[{"name":"a","networkRef":{"name":"lan"}}]');
    await until("the guest sees one", async () => (await ask("web", "cgi-bin/nics")).split("\n").length === 1);
    await untilReason("web", "AsDeclared", "NetworksAttached");
    assert.doesNotMatch(await virsh("domiflist", "web", "--inactive"), new RegExp(mac));
    assert.equal((await vm())?.status?.startedAt, startedAt);
  });

  test("a firewall blocks what it says, from the host and from the next guest, and nothing once it is gone", async () => {
    const peer = await ipOf("peer");
    await until("they meet", async () => pings("web", peer));
    await patch(
      "vmnet",
      "lan",
      '{"security":{"firewall":{"enabled":true,"rules":[{"name":"no-ping","action":"DROP","direction":"in","protocol":"icmp"}]}}}',
    );
    await until("the status says that they are filtered", async () => (await networks())[0]?.filtered === true);
    await until("the guests are filtered", async () => !(await pings("web", peer)));
    assert.equal(await ask("peer", "index.html"), "tiny");
    assert.match(await filters(), /vivarium-[0-9a-f]{16}/);
    await patch(
      "vmnet",
      "lan",
      '{"security":{"firewall":{"enabled":true,"defaultPolicy":"DROP","rules":[{"name":"web","action":"ACCEPT","direction":"in","protocol":"tcp","sourceCIDR":"192.168.122.0/24","ports":{"start":80}}]}}}',
    );
    await until("one filter is left", async () => (await filters()).match(/vivarium-/g)?.length === 1);
    assert.equal(await ask("peer", "index.html"), "tiny");
    assert.equal(await pings("peer", gateway), false);
    await patch("vmnet", "lan", '{"security":null}');
    await until("all passes again", async () => pings("web", peer));
    await until("our filters are gone", async () => !/vivarium-/.test(await filters()));
    assert.match(await filters(), /clean-traffic/);
  });

  test("isolated guests do not reach each other, and still reach the host", async () => {
    const peer = await ipOf("peer");
    await patch("vmnet", "lan", '{"security":{"isolation":{"mode":"strict"}}}');
    await until("the status says that they are isolated", async () => (await networks())[0]?.isolated === true);
    await until("they are apart", async () => !(await pings("web", peer)));
    await until("the host is reached", async () => pings("web", gateway));
    await patch("vmnet", "lan", '{"security":null}');
    await until("they meet again", async () => pings("web", peer));
  });

  test("a guest cannot send from an address that is not its own", async () => {
    const foreign = "192.168.122.250";
    const spoof = async (): Promise<string> => ask("web", `cgi-bin/ping?${gateway}&${foreign}`);
    await until("any address passes", async () => (await spoof()) === "yes");
    await patch("vmnet", "lan", '{"security":{"antiSpoofing":true}}');
    await until("its packets are dropped", async () => (await spoof()) === "no");
    await until("those of its own address are not", async () => pings("web", gateway));
    const restarted = await server.viv(["restart", "web", "--timeout", "120s"], { timeoutMs: 130_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    await untilAnswering("web");
    await until("the address of the new lease passes, and no other", async () => {
      return (await pings("web", gateway)) && (await spoof()) === "no";
    });
    await patch("vmnet", "lan", '{"security":null}');
    await until("they pass again", async () => (await spoof()) === "yes");
  });

  test("a MAC address that a domain of the host has, and a static address that a machine has, are given to nobody else", async () => {
    const taken = (await vm("peer"))?.status?.networks?.[0]?.mac ?? "";
    await server.apply(tinyVm("thief", `networks: [{name: a, macAddress: "${taken}"}]`));
    const refused = await untilReason("thief", "ConflictOnProvider");
    assert.match(refused.message, /"default\/peer"|domain "peer"/);
    const fixed = 'networks: [{name: a, ipAddress: 192.168.122.77, gateway: 192.168.122.1}], powerState: "Off"';
    await server.apply(tinyVm("one", fixed));
    await untilReason("one", "Stopped");
    await server.apply(tinyVm("two", fixed));
    assert.match((await untilReason("two", "AddressInUse")).message, /VirtualMachine "default\/one"/);
    await server.apply(tinyVm("far", 'networks: [{name: a, ipAddress: 10.1.2.3}], powerState: "Off"'));
    assert.match((await untilReason("far", "InvalidSpec")).message, /10\.1\.2\.3 .*outside of network "default"/);
    await server.kubectl(["delete", "vm", "thief", "one", "two", "far", "--wait", "--timeout=60s"]);
    assert.doesNotMatch(await virsh("list", "--all", "--name"), /thief|one|two|far/);
  });

  test("limits are Unsupported where the kernel cannot keep them, and set both ways where it can", async () => {
    const limited = (limits: string) => `[{"name":"a","networkRef":{"name":"lan"},"limits":${limits}}]`;
    const both = '{"ingress":{"average":"8M","peak":"16M","burst":"512Ki"},"egress":{"average":"4M"}}';
    const tuned = async (): Promise<string> => virsh("domiftune", "web", (await networks())[0]?.mac ?? "");
    const canLimit = (await run("tc", ["qdisc", "add", "dev", "lo", "root", "sfq"])).code === 0;
    if (canLimit) await run("tc", ["qdisc", "del", "dev", "lo", "root"]);
    else {
      await setNetworks(limited(both));
      const refused = await untilReason("web", "Unsupported", "NetworksAttached");
      assert.match(refused.message, /cannot limit the bandwidth/);
      assert.equal(findCondition((await vm())?.status?.conditions, "Ready")?.status, "True");
      assert.match((await networks())[0]?.message ?? "", /Not as declared: limits/);
      assert.match(await tuned(), /inbound\.average\s*: 0\b/);
      assert.doesNotMatch(await virsh("net-list", "--all", "--name"), /probe/);
      await setNetworks('[{"name":"a","networkRef":{"name":"lan"}}]');
      await untilReason("web", "AsDeclared", "NetworksAttached");
      // From here on as on a kernel that can.
      await libvirt.kill();
      process.env["PATH"] = shimPath;
      await libvirt.start();
    }
    await setNetworks(limited(both));
    await until("both are set", async () => {
      const now = await tuned();
      return /inbound\.average\s*: 1000\b/.test(now) && /outbound\.average\s*: 500\b/.test(now);
    });
    assert.match(await tuned(), /inbound\.peak\s*: 2000\s+inbound\.burst\s*: 512\b/);
    assert.deepEqual((await networks())[0]?.limits, { ingressKBPerSecond: 1000, egressKBPerSecond: 500 });
    await setNetworks(limited('{"egress":{"average":"16M"}}'));
    await until("one is lifted", async () => {
      const now = await tuned();
      return /inbound\.average\s*: 0\b/.test(now) && /outbound\.average\s*: 2000\b/.test(now);
    });
    const restarted = await server.viv(["restart", "web", "--timeout", "120s"], { timeoutMs: 130_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    assert.match(await tuned(), /outbound\.average\s*: 2000\b/);
  });

  test("a machine that goes leaves no filter, no lease and no domain", async () => {
    await patch("vmnet", "lan", '{"security":{"antiSpoofing":true}}');
    await until("filtered", async () => (await networks())[0]?.filtered === true);
    const gone = await server.kubectl(["delete", "vm", "web", "peer", "--wait", "--timeout=60s"]);
    assert.equal(gone.code, 0, gone.stderr);
    assert.doesNotMatch(await filters(), /vivarium-/);
    assert.doesNotMatch(await virsh("list", "--all", "--name"), /web|peer/);
  });
});
