// virDomainBlock…: the disks of a domain. `disk` is a target, for example `vda`, or the path of its source.

import { blockCopyFields, blockIoTuneFields } from "../constants/typed-fields.ts";
import * as calls from "../protocol/domain-block.ts";
import type { Domain } from "../protocol/handles.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { DomainDeviceMethods } from "./domain-device-methods.ts";
import { valuesOf } from "../protocol/typed-param.ts";
import type { TypedValues } from "../protocol/typed-param.ts";
import { paramsOf } from "./typed-params.ts";
import type { ParamValues } from "./typed-params.ts";

/** Limits of a disk; 0 is none. */
export type BlockIoTune = ParamValues<typeof blockIoTuneFields>;
export type BlockCopyParams = ParamValues<typeof blockCopyFields>;

export interface BlockJobInfo {
  /** BlockJobType. */
  readonly type: number;
  /** MiB per second, or bytes with BlockJobInfoFlags; 0 is no limit. */
  readonly bandwidth: number;
  /** Progress, in a unit of the job's own: `current` of `end`. */
  readonly current: number;
  readonly end: number;
}

export interface DomainBlockInfo {
  readonly capacityBytes: number;
  /** Of the guest's data. */
  readonly allocationBytes: number;
  /** Of the host's file or device. */
  readonly physicalBytes: number;
}

export interface DomainBlockStats {
  readonly readRequests: number;
  readonly readBytes: number;
  readonly writeRequests: number;
  readonly writeBytes: number;
  /** -1 when it is not counted. */
  readonly errors: number;
}

/** VIR_DOMAIN_BLOCK_RESIZE_BYTES: without it the number would be of KiB. */
const resizeInBytes = 1;
/** VIR_TYPED_PARAM_STRING_OKAY: without it the daemon leaves out fields that are strings. */
const stringParams = 4;

export abstract class DomainBlockMethods extends DomainDeviceMethods {
  /** Tells a running domain the new size of a disk. */
  async domainBlockResize(
    domain: Domain,
    resize: { readonly disk: string; readonly capacityBytes: number },
    options: Omit<FlagOptions, "flags"> = {},
  ): Promise<void> {
    const args = { domain, disk: resize.disk, size: resize.capacityBytes, flags: resizeInBytes };
    await this.call(calls.domainBlockResize, args, options);
  }

  async domainGetBlockInfo(domain: Domain, disk: string, options: FlagOptions = {}): Promise<DomainBlockInfo> {
    return this.call(calls.domainGetBlockInfo, { domain, disk, flags: options.flags ?? 0 }, options);
  }

  async domainBlockStats(domain: Domain, disk: string, options: FlagOptions = {}): Promise<DomainBlockStats> {
    return this.call(calls.domainBlockStats, { domain, disk }, options);
  }

  /** As `domainBlockStats`, with all that the hypervisor tells: flushes, times in nanoseconds. */
  async domainBlockStatsFlags(domain: Domain, disk: string, options: FlagOptions = {}): Promise<TypedValues> {
    const args = { domain, disk, flags: options.flags ?? 0 };
    const { count } = await this.call(calls.domainBlockStatsFlags, { ...args, count: 0 }, options);
    return valuesOf((await this.call(calls.domainBlockStatsFlags, { ...args, count }, options)).params);
  }

  /** Reads bytes of the disk as the guest sees them; up to 4 MiB. */
  async domainBlockPeek(
    domain: Domain,
    range: { readonly disk: string; readonly offsetBytes: number; readonly lengthBytes: number },
    options: FlagOptions = {},
  ): Promise<Uint8Array> {
    const { disk, offsetBytes: offset, lengthBytes: size } = range;
    return (await this.call(calls.domainBlockPeek, { domain, disk, offset, size, flags: options.flags ?? 0 }, options))
      .bytes;
  }

  /** Changes the limits that are named; the others stay. Flags: DomainModificationImpact. */
  async domainSetBlockIoTune(
    domain: Domain,
    tune: { readonly disk: string; readonly limits: BlockIoTune },
    options: FlagOptions = {},
  ): Promise<void> {
    const params = paramsOf(blockIoTuneFields, tune.limits);
    await this.call(
      calls.domainSetBlockIoTune,
      { domain, disk: tune.disk, params, flags: options.flags ?? 0 },
      options,
    );
  }

  /** Fields: those of BlockIoTune. Flags: DomainModificationImpact. */
  async domainGetBlockIoTune(domain: Domain, disk: string, options: FlagOptions = {}): Promise<TypedValues> {
    const args = { domain, disk, flags: (options.flags ?? 0) | stringParams };
    const { count } = await this.call(calls.domainGetBlockIoTune, { ...args, count: 0 }, options);
    return valuesOf((await this.call(calls.domainGetBlockIoTune, { ...args, count }, options)).params);
  }

  /** An event `block-threshold` once the guest has written past this place of `device`: `vda`, or `vda[1]` of its chain. */
  async domainSetBlockThreshold(
    domain: Domain,
    threshold: { readonly device: string; readonly thresholdBytes: number },
    options: FlagOptions = {},
  ): Promise<void> {
    const { device, thresholdBytes } = threshold;
    const args = { domain, device, threshold: thresholdBytes, flags: options.flags ?? 0 };
    await this.call(calls.domainSetBlockThreshold, args, options);
  }

  /** Starts to merge overlays down into `base` (the lowest when absent). Flags: BlockCommitFlags. */
  async domainBlockCommit(
    domain: Domain,
    commit: { readonly disk: string; readonly base?: string; readonly top?: string; readonly bandwidth?: number },
    options: FlagOptions = {},
  ): Promise<void> {
    const { disk, base, top, bandwidth = 0 } = commit;
    await this.call(
      calls.domainBlockCommit,
      { domain, disk, base, top, bandwidth, flags: options.flags ?? 0 },
      options,
    );
  }

  /** Starts to draw all of the backing chain into the disk's own file. Flags: BlockPullFlags. */
  async domainBlockPull(
    domain: Domain,
    pull: { readonly disk: string; readonly bandwidth?: number },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = { domain, disk: pull.disk, bandwidth: pull.bandwidth ?? 0, flags: options.flags ?? 0 };
    await this.call(calls.domainBlockPull, args, options);
  }

  /** Starts to draw the chain above `base` into the disk's own file. Flags: BlockRebaseFlags. */
  async domainBlockRebase(
    domain: Domain,
    rebase: { readonly disk: string; readonly base?: string; readonly bandwidth?: number },
    options: FlagOptions = {},
  ): Promise<void> {
    const { disk, base, bandwidth = 0 } = rebase;
    await this.call(calls.domainBlockRebase, { domain, disk, base, bandwidth, flags: options.flags ?? 0 }, options);
  }

  /** Starts to mirror a disk to the `<disk>` of `xml`. Flags: BlockCopyFlags. */
  async domainBlockCopy(
    domain: Domain,
    copy: { readonly disk: string; readonly xml: string; readonly params?: BlockCopyParams },
    options: FlagOptions = {},
  ): Promise<void> {
    const params = paramsOf(blockCopyFields, copy.params ?? {});
    const args = { domain, disk: copy.disk, xml: copy.xml, params, flags: options.flags ?? 0 };
    await this.call(calls.domainBlockCopy, args, options);
  }

  /** The job of a disk; undefined when there is none. Flags: BlockJobInfoFlags. */
  async domainGetBlockJobInfo(
    domain: Domain,
    disk: string,
    options: FlagOptions = {},
  ): Promise<BlockJobInfo | undefined> {
    const args = { domain, disk, flags: options.flags ?? 0 };
    const { isFound, ...info } = await this.call(calls.domainGetBlockJobInfo, args, options);
    return isFound ? info : undefined;
  }

  /** Ends the job: gives it up, or with PIVOT goes over to its result. Flags: BlockJobAbortFlags. */
  async domainBlockJobAbort(domain: Domain, disk: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainBlockJobAbort, { domain, disk, flags: options.flags ?? 0 }, options);
  }

  /** `bandwidth` in MiB per second; 0 is no limit. */
  async domainBlockJobSetSpeed(
    domain: Domain,
    speed: { readonly disk: string; readonly bandwidth: number },
    options: FlagOptions = {},
  ): Promise<void> {
    await this.call(calls.domainBlockJobSetSpeed, { domain, ...speed, flags: options.flags ?? 0 }, options);
  }
}
