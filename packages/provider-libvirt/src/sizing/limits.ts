// Limits of a domain, as the contract has them and as libvirt has them: https://libvirt.org/formatdomain.html#cpu-tuning and #memory-tuning.
// A limit in MHz becomes a share of the time of the host's CPUs, as fast as the host says they are. Pure.

import type { ResourceLimits } from "@vivarium/provider";
import { bytesAt, element, find, textAt } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** Microseconds; as the kernel has it when nothing is said. */
export const periodUs = 100_000;
/** libvirt's word for none, in KiB. */
export const unlimitedKib = 2 ** 53 - 1;

export function quotaOf(cpuMhz: number, hostMhz: number): number {
  return Math.round((cpuMhz / hostMhz) * periodUs);
}

/**
 * Those that a domain is started with. The limit of memory is not among them: libvirt would limit the memory that QEMU may lock to the same
 * amount, which hosts in containers refuse; it is set once the domain runs.
 */
export function limitElements(limits: ResourceLimits | undefined, hostMhz: number): readonly XmlElement[] {
  const { cpuShares, cpuMhz } = limits ?? {};
  const cpu = [
    cpuShares !== undefined && element("shares", {}, String(cpuShares)),
    cpuMhz !== undefined && element("global_period", {}, String(periodUs)),
    cpuMhz !== undefined && element("global_quota", {}, String(quotaOf(cpuMhz, hostMhz))),
  ];
  return cpu.some((each) => each !== false) ? [element("cputune", {}, cpu)] : [];
}

/** What a domain's XML says of its limits; MHz follow once the host's are known. */
export interface LimitsView {
  readonly cpuShares?: number;
  /** Of all CPUs together, in CPUs. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

export function parseLimits(domain: XmlElement): LimitsView {
  const number = (...path: readonly string[]): number | undefined => {
    const text = textAt(domain, ...path);
    return text === undefined ? undefined : Number(text);
  };
  const cpuShares = number("cputune", "shares");
  const quota = number("cputune", "global_quota");
  const period = number("cputune", "global_period") ?? periodUs;
  const memoryBytes =
    find(domain, "memtune", "hard_limit") === undefined
      ? undefined
      : bytesAt(domain, { path: ["memtune", "hard_limit"], defaultUnit: "KiB" });
  return {
    ...(cpuShares === undefined ? {} : { cpuShares }),
    ...(quota === undefined || quota <= 0 ? {} : { cpus: quota / period }),
    ...(memoryBytes === undefined || memoryBytes >= unlimitedKib * 1024 ? {} : { memoryBytes }),
  };
}

export function limitsOf({ cpus, ...rest }: LimitsView, hostMhz: number): ResourceLimits {
  return { ...rest, ...(cpus === undefined ? {} : { cpuMhz: Math.round(cpus * hostMhz) }) };
}
