// One record of libvirt's bulk statistics in the contract's words. Pure.
// Names and units: https://libvirt.org/html/libvirt-libvirt-domain.html#virConnectGetAllDomainStats

import type { DomainStats as LibvirtDomainStats, TypedValues } from "@vivarium/libvirt";
import type {
  DomainCpuStats,
  DomainDiskStats,
  DomainMemoryStats,
  DomainNicStats,
  DomainStats,
} from "@vivarium/provider";
import { powerOf } from "../domain/power.ts";

/** How devices are called, by the names that libvirt gives them for as long as the domain runs. */
export interface DeviceNames {
  /** Name within the VM by target; undefined for a disk that is not the user's, such as the seed. */
  readonly disks: ReadonlyMap<string, string | undefined>;
  /** Name within the VM, or MAC, by host device. */
  readonly nics: ReadonlyMap<string, string>;
}

const kib = 1024;
const mib = 1024 * kib;
const nanosecond = 1e-9;
/** virDomainDirtyRateStatus. */
const dirtyRateMeasured = 2;

/** Undefined for a domain that went away while libvirt looked. */
export function domainStatsOf({ domain, values }: LibvirtDomainStats, names: DeviceNames): DomainStats | undefined {
  const state = numberAt(values, "state.state");
  if (state === undefined) return undefined;
  const { power, powerReason } = powerOf({ state, reason: numberAt(values, "state.reason") ?? 0 });
  const isOn = domain.id >= 0;
  const dirtyMib = numberAt(values, "dirtyrate.megabytes_per_second");
  return {
    uid: domain.uuid,
    name: domain.name,
    power,
    powerReason,
    ...(isOn ? { run: domain.id } : {}),
    cpus: numberAt(values, "vcpu.current") ?? 0,
    memoryBytes: (numberAt(values, "balloon.maximum") ?? 0) * kib,
    ...(isOn ? runningStatsOf(values, names) : { vcpus: [], disks: [], nics: [] }),
    ...(dirtyMib !== undefined && numberAt(values, "dirtyrate.calc_status") === dirtyRateMeasured
      ? { dirtyBytesPerSecond: dirtyMib * mib }
      : {}),
  };
}

function runningStatsOf(
  values: TypedValues,
  names: DeviceNames,
): Pick<DomainStats, "cpu" | "vcpus" | "memory" | "disks" | "nics"> {
  const cpu = cpuOf(values);
  const memory = memoryOf(values);
  return {
    ...(cpu === undefined ? {} : { cpu }),
    vcpus: countedTo(values, "vcpu.maximum").flatMap((index) => {
      const seconds = numberAt(values, `vcpu.${index}.time`, nanosecond);
      if (seconds === undefined) return [];
      return [{ index, seconds, ...figures(values, { delaySeconds: [`vcpu.${index}.delay`, nanosecond] }) }];
    }),
    ...(memory === undefined ? {} : { memory }),
    disks: countedTo(values, "block.count").flatMap((index) => diskOf(values, `block.${index}`, names) ?? []),
    nics: countedTo(values, "net.count").flatMap((index) => nicOf(values, `net.${index}`, names) ?? []),
  };
}

function cpuOf(values: TypedValues): DomainCpuStats | undefined {
  const seconds = numberAt(values, "cpu.time", nanosecond);
  if (seconds === undefined) return undefined;
  return {
    seconds,
    ...figures(values, {
      userSeconds: ["cpu.user", nanosecond],
      systemSeconds: ["cpu.system", nanosecond],
    }),
  };
}

function memoryOf(values: TypedValues): DomainMemoryStats | undefined {
  const balloonBytes = numberAt(values, "balloon.current", kib);
  if (balloonBytes === undefined) return undefined;
  return {
    balloonBytes,
    ...figures(values, {
      residentBytes: ["balloon.rss", kib],
      guestTotalBytes: ["balloon.available", kib],
      guestUnusedBytes: ["balloon.unused", kib],
      guestUsableBytes: ["balloon.usable", kib],
      guestCacheBytes: ["balloon.disk_caches", kib],
      swapInBytes: ["balloon.swap_in", kib],
      swapOutBytes: ["balloon.swap_out", kib],
      majorFaults: ["balloon.major_fault"],
      minorFaults: ["balloon.minor_fault"],
    }),
  };
}

function diskOf(values: TypedValues, at: string, { disks }: DeviceNames): DomainDiskStats | undefined {
  const target = textAt(values, `${at}.name`);
  if (target === undefined) return undefined;
  const name = disks.has(target) ? disks.get(target) : target;
  if (name === undefined) return undefined;
  return {
    name,
    ...figures(values, {
      readBytes: [`${at}.rd.bytes`],
      readRequests: [`${at}.rd.reqs`],
      readSeconds: [`${at}.rd.times`, nanosecond],
      writtenBytes: [`${at}.wr.bytes`],
      writeRequests: [`${at}.wr.reqs`],
      writeSeconds: [`${at}.wr.times`, nanosecond],
      flushRequests: [`${at}.fl.reqs`],
      flushSeconds: [`${at}.fl.times`, nanosecond],
      capacityBytes: [`${at}.capacity`],
      allocationBytes: [`${at}.allocation`],
    }),
  };
}

function nicOf(values: TypedValues, at: string, { nics }: DeviceNames): DomainNicStats | undefined {
  const device = textAt(values, `${at}.name`);
  if (device === undefined) return undefined;
  const count = (name: string): number => numberAt(values, `${at}.${name}`) ?? 0;
  return {
    name: nics.get(device) ?? device,
    receivedBytes: count("rx.bytes"),
    receivedPackets: count("rx.pkts"),
    receiveErrors: count("rx.errs"),
    receiveDrops: count("rx.drop"),
    sentBytes: count("tx.bytes"),
    sentPackets: count("tx.pkts"),
    sendErrors: count("tx.errs"),
    sendDrops: count("tx.drop"),
  };
}

/** What libvirt calls the devices of a record; these are looked up in the domain's XML. */
export function devicesIn(values: TypedValues): readonly string[] {
  return ["block", "net"].flatMap((kind) =>
    countedTo(values, `${kind}.count`).flatMap((index) => textAt(values, `${kind}.${index}.name`) ?? []),
  );
}

function countedTo(values: TypedValues, field: string): readonly number[] {
  return Array.from({ length: numberAt(values, field) ?? 0 }, (_, index) => index);
}

function numberAt(values: TypedValues, field: string, unit = 1): number | undefined {
  const value = values[field];
  return typeof value === "number" ? value * unit : undefined;
}

function textAt(values: TypedValues, field: string): string | undefined {
  const value = values[field];
  return typeof value === "string" ? value : undefined;
}

/** Fields with libvirt's name for each, and what one unit of it is; those that are not told are left out. */
function figures<K extends string>(
  values: TypedValues,
  fields: Readonly<Record<K, readonly [field: string, unit?: number]>>,
): { readonly [P in K]?: number } {
  const told: { [P in K]?: number } = {};
  for (const key in fields) {
    const [field, unit] = fields[key];
    const value = numberAt(values, field, unit);
    if (value !== undefined) told[key] = value;
  }
  return told;
}
