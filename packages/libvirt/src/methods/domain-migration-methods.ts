// virDomainMigrate…: live migration. `migrateDomain` (../migrate-domain.ts) goes through the steps between two connections.

import { migrationFields } from "../constants/typed-fields.ts";
import { MigrateFlags } from "../constants/domain-migration.ts";
import type { Domain } from "../protocol/handles.ts";
import * as calls from "../protocol/domain-migration.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { DomainSnapshotMethods } from "./domain-snapshot-methods.ts";
import { paramsOf } from "./typed-params.ts";
import type { ParamValues } from "./typed-params.ts";

/** Fields of VIR_MIGRATE_PARAM_…; bandwidths in MiB per second. */
export type MigrationParams = ParamValues<typeof migrationFields>;

/** What a step takes: the parameters, and what the step before it gave, for the other daemon. */
export interface MigrationStep {
  readonly params: MigrationParams;
  readonly cookie?: Uint8Array;
}

const noCookie = new Uint8Array(0);

export abstract class DomainMigrationMethods extends DomainSnapshotMethods {
  /**
   * Moves a domain to the daemon at `destinationUri`, which this daemon dials itself (peer to peer), and waits until it
   * runs there. Flags: MigrateFlags.
   */
  async domainMigrateToUri3(
    domain: Domain,
    migration: { readonly destinationUri: string; readonly params?: MigrationParams },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = {
      domain,
      destinationUri: migration.destinationUri,
      params: paramsOf(migrationFields, migration.params ?? {}),
      cookieIn: noCookie,
      flags: (options.flags ?? 0) | MigrateFlags.PEER2PEER,
    };
    await this.call(calls.domainMigratePerform3Params, args, options);
  }

  /** Step 1, at the source: is it possible, and with which definition. */
  async domainMigrateBegin3Params(
    domain: Domain,
    params: MigrationParams,
    options: FlagOptions = {},
  ): Promise<{ readonly xml: string; readonly cookie: Uint8Array }> {
    const args = { domain, params: paramsOf(migrationFields, params), flags: options.flags ?? 0 };
    const { xml, cookieOut } = await this.call(calls.domainMigrateBegin3Params, args, options);
    return { xml, cookie: cookieOut };
  }

  /** Step 2, at the destination: a QEMU that waits for the memory, and where it does. */
  async domainMigratePrepare3Params(
    step: MigrationStep,
    options: FlagOptions = {},
  ): Promise<{ readonly uri: string | undefined; readonly cookie: Uint8Array }> {
    const { cookieOut, uriOut } = await this.call(calls.domainMigratePrepare3Params, argsOf(step, options), options);
    return { uri: uriOut, cookie: cookieOut };
  }

  /** Step 3, at the source: moves memory and disks; the guest stands still at its end. */
  async domainMigratePerform3Params(
    domain: Domain,
    step: MigrationStep,
    options: FlagOptions = {},
  ): Promise<Uint8Array> {
    const args = { domain, destinationUri: undefined, ...argsOf(step, options) };
    return (await this.call(calls.domainMigratePerform3Params, args, options)).cookieOut;
  }

  /** Step 4, at the destination: runs it, or gives it up when `isCancelled`, which fails with MIGRATE_FINISH_OK. */
  async domainMigrateFinish3Params(
    step: MigrationStep & { readonly isCancelled: boolean },
    options: FlagOptions = {},
  ): Promise<{ readonly domain: Domain; readonly cookie: Uint8Array }> {
    const args = { ...argsOf(step, options), isCancelled: step.isCancelled };
    const { domain, cookieOut } = await this.call(calls.domainMigrateFinish3Params, args, options);
    return { domain, cookie: cookieOut };
  }

  /** Step 5, at the source: ends it, or goes on with it when `isCancelled`. */
  async domainMigrateConfirm3Params(
    domain: Domain,
    step: MigrationStep & { readonly isCancelled: boolean },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = { domain, ...argsOf(step, options), isCancelled: step.isCancelled };
    await this.call(calls.domainMigrateConfirm3Params, args, options);
  }

  /** How long the guest may stand still at the end of a migration. */
  async domainMigrateSetMaxDowntime(domain: Domain, downtimeMs: number, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainMigrateSetMaxDowntime, { domain, downtimeMs, flags: options.flags ?? 0 }, options);
  }

  async domainMigrateSetMaxSpeed(domain: Domain, bandwidthMib: number, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainMigrateSetMaxSpeed, { domain, bandwidthMib, flags: options.flags ?? 0 }, options);
  }

  /** Of a migration with POSTCOPY: runs the guest at the destination now, and fetches the rest of its memory there. */
  async domainMigrateStartPostCopy(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainMigrateStartPostCopy, { domain, flags: options.flags ?? 0 }, options);
  }
}

function argsOf(
  step: MigrationStep,
  options: FlagOptions,
): { params: ReturnType<typeof paramsOf>; cookieIn: Uint8Array; flags: number } {
  return {
    params: paramsOf(migrationFields, step.params),
    cookieIn: step.cookie ?? noCookie,
    flags: options.flags ?? 0,
  };
}
