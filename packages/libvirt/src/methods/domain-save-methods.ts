// virDomain…Save…, virDomain…Job…: memory to disk and back, and the jobs of a domain.

import * as calls from "../protocol/domain-save.ts";
import type { Domain } from "../protocol/handles.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { DomainTuningMethods } from "./domain-tuning-methods.ts";
import { valuesOf } from "../protocol/typed-param.ts";
import type { TypedValues } from "../protocol/typed-param.ts";

export interface DomainJobInfo {
  /** DomainJobType. */
  readonly type: number;
  readonly elapsedMs: number;
  readonly remainingMs: number;
  readonly dataTotalBytes: number;
  readonly dataProcessedBytes: number;
  readonly dataRemainingBytes: number;
  readonly memoryTotalBytes: number;
  readonly memoryProcessedBytes: number;
  readonly memoryRemainingBytes: number;
  readonly fileTotalBytes: number;
  readonly fileProcessedBytes: number;
  readonly fileRemainingBytes: number;
}

export interface DomainJobStats {
  /** DomainJobType. */
  readonly type: number;
  /** By libvirt's names: `time_elapsed` in ms, `memory_total` in bytes, `downtime`, … */
  readonly values: TypedValues;
}

export abstract class DomainSaveMethods extends DomainTuningMethods {
  /** Saves the memory where the daemon keeps it, and stops; the next start goes on from there. Flags: DomainSaveRestoreFlags. */
  async domainManagedSave(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainManagedSave, { domain, flags: options.flags ?? 0 }, options);
  }

  async domainHasManagedSaveImage(domain: Domain, options: FlagOptions = {}): Promise<boolean> {
    return (await this.call(calls.domainHasManagedSaveImage, { domain, flags: options.flags ?? 0 }, options)).hasImage;
  }

  /** Drops the saved memory: the next start boots. */
  async domainManagedSaveRemove(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainManagedSaveRemove, { domain, flags: options.flags ?? 0 }, options);
  }

  /** Saves the memory into a file of the host, and stops. `xml` may change the definition. Flags: DomainSaveRestoreFlags. */
  async domainSaveFlags(
    domain: Domain,
    save: { readonly path: string; readonly xml?: string },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = { domain, path: save.path, xml: save.xml, flags: options.flags ?? 0 };
    await this.call(calls.domainSaveFlags, args, options);
  }

  /** Starts the domain that was saved into a file of the host. Flags: DomainSaveRestoreFlags. */
  async domainRestoreFlags(path: string, options: FlagOptions & { readonly xml?: string } = {}): Promise<void> {
    await this.call(calls.domainRestoreFlags, { path, xml: options.xml, flags: options.flags ?? 0 }, options);
  }

  /** The definition within a file of saved memory. Flags: DomainXmlFlags SECURE. */
  async domainSaveImageGetXmlDesc(path: string, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainSaveImageGetXmlDesc, { path, flags: options.flags ?? 0 }, options)).xml;
  }

  async domainGetJobInfo(domain: Domain, options?: CallOptions): Promise<DomainJobInfo> {
    return this.call(calls.domainGetJobInfo, { domain }, options);
  }

  /** The job under way, or the last one with COMPLETED. Flags: DomainJobStatsFlags. */
  async domainGetJobStats(domain: Domain, options: FlagOptions = {}): Promise<DomainJobStats> {
    const { type, params } = await this.call(calls.domainGetJobStats, { domain, flags: options.flags ?? 0 }, options);
    return { type, values: valuesOf(params) };
  }

  /** Gives up the job under way: a save, a migration, a backup. */
  async domainAbortJob(domain: Domain, options?: CallOptions): Promise<void> {
    await this.call(calls.domainAbortJob, { domain }, options);
  }

  /** Flags: DomainAbortJobFlags. Since libvirt 8.5. */
  async domainAbortJobFlags(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainAbortJobFlags, { domain, flags: options.flags ?? 0 }, options);
  }
}
