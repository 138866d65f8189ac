// virDomainSet…: how much of the host a domain may have.

import { interfaceFields, memoryFields, schedulerFields } from "../constants/typed-fields.ts";
import { DomainVcpuFlags } from "../constants/domain.ts";
import { invalidArgument } from "../errors/libvirt-error.ts";
import * as calls from "../protocol/domain-tuning.ts";
import type { Domain } from "../protocol/handles.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { DomainBlockMethods } from "./domain-block-methods.ts";
import { valuesOf } from "../protocol/typed-param.ts";
import type { TypedValues } from "../protocol/typed-param.ts";
import { paramsOf } from "./typed-params.ts";
import type { ParamValues } from "./typed-params.ts";

/** Bandwidth of a network interface: average and peak in KiB per second, burst in KiB; 0 is none. */
export type InterfaceParameters = ParamValues<typeof interfaceFields>;
/** Shares of the CPU; periods and quotas in microseconds, a quota of -1 is none. */
export type SchedulerParameters = ParamValues<typeof schedulerFields>;

/** Most memory of the host, in KiB: with swap, without; `soft_limit` where the host has little left. */
export type MemoryParameters = ParamValues<typeof memoryFields>;

const kib = 1024;
/** As many as the protocol can carry. */
const schedulerMax = 16;

export abstract class DomainTuningMethods extends DomainBlockMethods {
  /** Flags: DomainVcpuFlags. */
  async domainSetVcpusFlags(domain: Domain, vcpus: number, options: FlagOptions = {}): Promise<void> {
    const procedure = isOfAgent(options) ? calls.domainSetVcpusOfAgent : calls.domainSetVcpusFlags;
    await this.call(procedure, { domain, vcpus, flags: options.flags ?? 0 }, options);
  }

  /** Flags: DomainVcpuFlags. */
  async domainGetVcpusFlags(domain: Domain, options: FlagOptions = {}): Promise<number> {
    const procedure = isOfAgent(options) ? calls.domainGetVcpusOfAgent : calls.domainGetVcpusFlags;
    return (await this.call(procedure, { domain, flags: options.flags ?? 0 }, options)).vcpus;
  }

  /** Takes CPUs of a running guest on or off line through its agent. `cpus` as `0,2-3`. */
  async domainSetGuestVcpus(
    domain: Domain,
    guest: { readonly cpus: string; readonly isOnline: boolean },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = { domain, cpumap: guest.cpus, state: guest.isOnline ? 1 : 0, flags: options.flags ?? 0 };
    await this.call(calls.domainSetGuestVcpus, args, options);
  }

  /** Sets the balloon, or the limit with MAXIMUM. Whole KiB. Flags: DomainMemoryFlags. */
  async domainSetMemoryFlags(domain: Domain, memoryBytes: number, options: FlagOptions = {}): Promise<void> {
    if (memoryBytes % kib !== 0) {
      throw invalidArgument(`Cannot set the memory to ${memoryBytes} bytes: expected a multiple of ${kib}`);
    }
    await this.call(
      calls.domainSetMemoryFlags,
      { domain, memoryKib: memoryBytes / kib, flags: options.flags ?? 0 },
      options,
    );
  }

  /** Changes the parameters that are named. Flags: DomainModificationImpact. */
  async domainSetMemoryParameters(
    domain: Domain,
    parameters: MemoryParameters,
    options: FlagOptions = {},
  ): Promise<void> {
    const params = paramsOf(memoryFields, parameters);
    await this.call(calls.domainSetMemoryParameters, { domain, params, flags: options.flags ?? 0 }, options);
  }

  /** How often the balloon driver of the guest tells figures; 0 is never. Flags: DomainModificationImpact. */
  async domainSetMemoryStatsPeriod(domain: Domain, periodSeconds: number, options: FlagOptions = {}): Promise<void> {
    const args = { domain, period: periodSeconds, flags: options.flags ?? 0 };
    await this.call(calls.domainSetMemoryStatsPeriod, args, options);
  }

  /** Changes the parameters that are named. Flags: DomainModificationImpact. */
  async domainSetSchedulerParametersFlags(
    domain: Domain,
    parameters: SchedulerParameters,
    options: FlagOptions = {},
  ): Promise<void> {
    const params = paramsOf(schedulerFields, parameters);
    await this.call(calls.domainSetSchedulerParametersFlags, { domain, params, flags: options.flags ?? 0 }, options);
  }

  /** Fields: those of SchedulerParameters. Flags: DomainModificationImpact. */
  async domainGetSchedulerParametersFlags(domain: Domain, options: FlagOptions = {}): Promise<TypedValues> {
    const args = { domain, count: schedulerMax, flags: options.flags ?? 0 };
    return valuesOf((await this.call(calls.domainGetSchedulerParametersFlags, args, options)).params);
  }

  /** Bandwidth of one interface, by its target or MAC. Flags: DomainModificationImpact. */
  async domainSetInterfaceParameters(
    domain: Domain,
    change: { readonly device: string; readonly parameters: InterfaceParameters },
    options: FlagOptions = {},
  ): Promise<void> {
    const params = paramsOf(interfaceFields, change.parameters);
    const args = { domain, device: change.device, params, flags: options.flags ?? 0 };
    await this.call(calls.domainSetInterfaceParameters, args, options);
  }

  /** Fields: those of InterfaceParameters. Flags: DomainModificationImpact. */
  async domainGetInterfaceParameters(domain: Domain, device: string, options: FlagOptions = {}): Promise<TypedValues> {
    const args = { domain, device, flags: options.flags ?? 0 };
    const { count } = await this.call(calls.domainGetInterfaceParameters, { ...args, count: 0 }, options);
    return valuesOf((await this.call(calls.domainGetInterfaceParameters, { ...args, count }, options)).params);
  }
}

function isOfAgent(options: FlagOptions): boolean {
  return ((options.flags ?? 0) & DomainVcpuFlags.GUEST) !== 0;
}
