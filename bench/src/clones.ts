// Twenty linked clones of a running tiny guest, by one command: until all have a domain, and until all run; and the processor time that the
// server takes for them. Beside it the same domains started again by raw libvirt calls: what of the time is QEMU's.

import { VirtualMachine, VMClone } from "@vivarium/api";
import { createClientFromKubeconfig } from "@vivarium/client";
import { eventually, tinyBase, tinyVm, type VivServer } from "@vivarium/e2e";
import { Libvirt, parseUri } from "@vivarium/libvirt";
import { cpuSeconds } from "./process-usage.ts";
import { round } from "./summary.ts";
import { withServer } from "./with-server.ts";

const clones = 20;
const source = "bench-clone";
/** Not more often: to ask is work for the server, too. */
const patient = { timeoutMs: 300_000, everyMs: 200 };

export function linkedClones(): Promise<unknown> {
  return withServer(measure);
}

async function measure(server: VivServer): Promise<unknown> {
  await server.start();
  const { client } = await createClientFromKubeconfig({ path: server.kubeconfig });
  await server.apply(await tinyBase());
  await server.apply(tinyVm(source));
  const machines = async () => (await client.list(VirtualMachine, { namespace: "default" })).items;
  const isOn = ({ status }: VirtualMachine): boolean => status?.powerState === "On";
  await eventually("the source runs", async () => ((await machines()).some(isOn) ? true : undefined), patient);
  const pid = server.pid ?? 0;
  const cpuBefore = await cpuSeconds(pid);
  const from = performance.now();
  const asked = await server.viv(
    ["clone", source, source, "--linked", "--count", String(clones), "--no-wait"],
    patient,
  );
  if (asked.code !== 0) throw new Error(asked.stderr);
  const askedMs = performance.now() - from;
  const until = async (count: (all: readonly VirtualMachine[]) => number): Promise<number> => {
    await eventually("all clones", async () => (count(await machines()) > clones ? true : undefined), patient);
    return performance.now() - from;
  };
  const definedMs = await until((all) => all.filter(({ status }) => status?.domain !== undefined).length);
  const startedMs = await until((all) => all.filter(isOn).length);
  const serverCpuSeconds = (await cpuSeconds(pid)) - cpuBefore;
  const { items } = await client.list(VMClone, { namespace: "default" });
  const names = (await machines()).flatMap(({ metadata, status }) =>
    metadata.name === source || status?.domain === undefined ? [] : [status.domain],
  );
  await server.kill();
  const rawStartMs = await startAgain(names);
  await server.start();
  return {
    clones,
    linked: items.filter(({ status }) => status?.actualCloneType === "LinkedClone").length,
    askedMs: round(askedMs),
    definedMs: round(definedMs),
    startedMs: round(startedMs),
    serverCpuSeconds: round(serverCpuSeconds),
    rawStartMs: round(rawStartMs),
  };
}

/** All of them at once, as the server does, with nothing but libvirt's own call. */
async function startAgain(names: readonly string[]): Promise<number> {
  using libvirt = new Libvirt(parseUri("qemu:///system"));
  await libvirt.ready({ timeoutMs: 10_000 });
  const domains = await Promise.all(names.map((name) => libvirt.domainLookupByName(name)));
  await Promise.all(domains.map((domain) => libvirt.domainDestroyFlags(domain)));
  const from = performance.now();
  await Promise.all(domains.map((domain) => libvirt.domainCreateWithFlags(domain)));
  return performance.now() - from;
}
