// Figures of the simulated hypervisor: every guest uses a tenth of each of its CPUs and reads and writes at a steady pace, so that a test
// knows what it must find after so many seconds. Counting begins anew with each start.

import type { DomainStats, HostStats, StatsRole } from "../stats.ts";
import { isOn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain } from "./world.ts";

const kib = 2 ** 10;

export function simulatedStats(parts: SimulatedParts): StatsRole {
  return { read: (options) => parts.gate.run("stats.read", { options, act: () => read(parts) }) };
}

function read({ world, host, clock }: SimulatedParts): HostStats {
  const nowMs = clock.now();
  const domains = [...world.domains.values()].map((domain) => statsOf(domain, nowMs));
  const usedBytes = domains.reduce((sum, domain) => sum + (domain.memory?.balloonBytes ?? 0), 0);
  const usedSeconds = domains.reduce((sum, domain) => sum + (domain.cpu?.seconds ?? 0), 0);
  return {
    hostname: "sim",
    cpu: { cpus: host.cpus, userSeconds: usedSeconds },
    memory: { totalBytes: host.memoryBytes, freeBytes: host.memoryBytes - usedBytes, reclaimableBytes: 0 },
    domains,
  };
}

function statsOf(domain: SimulatedDomain, nowMs: number): DomainStats {
  const { uid, name, power, powerReason, boots, definition } = domain;
  const cpus = definition?.cpus ?? 1;
  const memoryBytes = definition?.memoryBytes ?? 64 * kib * kib;
  const common = { uid, name, power, powerReason, cpus, memoryBytes };
  if (!isOn(domain)) return { ...common, vcpus: [], disks: [], nics: [] };
  const seconds = (nowMs - (domain.startedAtMs ?? nowMs)) / 1000;
  const pace = {
    readBytes: seconds * 4 * kib,
    readRequests: seconds,
    readSeconds: seconds / 1000,
    writtenBytes: domain.isHung === true ? 0 : seconds * 8 * kib,
    writeRequests: domain.isHung === true ? 0 : seconds * 2,
    writeSeconds: domain.isHung === true ? 0 : seconds / 500,
  };
  const traffic = {
    receivedBytes: seconds * kib,
    receivedPackets: seconds,
    receiveErrors: 0,
    receiveDrops: 0,
    sentBytes: domain.isHung === true ? 0 : seconds * 2 * kib,
    sentPackets: domain.isHung === true ? 0 : seconds * 2,
    sendErrors: 0,
    sendDrops: 0,
  };
  return {
    ...common,
    run: boots,
    cpu: { seconds: (seconds * cpus) / 10 },
    vcpus: Array.from({ length: cpus }, (_, index) => ({ index, seconds: seconds / 10 })),
    memory: { balloonBytes: memoryBytes, residentBytes: memoryBytes / 2 },
    disks: domain.disks.map((disk) => ({ name: disk.name, ...pace })),
    nics: (definition?.networks ?? []).map((nic) => ({ name: nic.name, ...traffic })),
  };
}
