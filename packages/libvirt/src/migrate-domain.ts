// Moves a domain between two daemons that we are connected to, as virDomainMigrate3 does:
//
//   source: begin ─► destination: prepare ─► source: perform ─► destination: finish ─► source: confirm
//              └─────── failed: confirm as cancelled ───────────────┘
//
// A guest must never run twice. Where the destination's answer to `finish` is lost, it may run there: the source is then
// left as it is, standing still, and the failure is the caller's to look into.

import { MigrateFlags } from "./constants/domain-migration.ts";
import { DomainState } from "./constants/domain.ts";
import { LibvirtError } from "./errors/libvirt-error.ts";
import { LibvirtProtocolError } from "./errors/protocol-error.ts";
import type { Libvirt } from "./libvirt.ts";
import type { MigrationParams } from "./methods/domain-migration-methods.ts";
import type { Domain } from "./protocol/handles.ts";

export interface MigrateDomainOptions {
  readonly from: Libvirt;
  readonly to: Libvirt;
  readonly params?: MigrationParams;
  /** MigrateFlags. */
  readonly flags?: number;
  /** Of moving memory and disks; one hour when absent. */
  readonly timeoutMs?: number;
}

/** Gives the domain at its destination. */
export async function migrateDomain(domain: Domain, options: MigrateDomainOptions): Promise<Domain> {
  const { from, to } = options;
  const flags = await flagsOf(domain, options);
  const destinationFlags = flags & ~(MigrateFlags.ABORT_ON_ERROR | MigrateFlags.AUTO_CONVERGE);
  // Nobody else may change the domain between the steps.
  const sourceFlags = flags | MigrateFlags.CHANGE_PROTECTION;
  const params = { ...options.params };

  const begun = await from.domainMigrateBegin3Params(domain, params, { flags: sourceFlags });
  const confirm = (cookie: Uint8Array, isCancelled: boolean): Promise<void> =>
    from.domainMigrateConfirm3Params(domain, { params, cookie, isCancelled }, { flags: sourceFlags });

  let uri: string;
  let cookie: Uint8Array;
  try {
    const prepared = await to.domainMigratePrepare3Params(
      { params: { ...params, destination_xml: begun.xml }, cookie: begun.cookie },
      { flags: destinationFlags },
    );
    uri = uriOf(prepared.uri, params);
    cookie = prepared.cookie;
  } catch (error) {
    // It only waits there, if at all, and dies with its connection.
    await ignoringFailure(confirm(new Uint8Array(0), true));
    throw error;
  }

  const moved = { ...params, destination_xml: begun.xml, migrate_uri: uri };
  const finish = async (
    finishCookie: Uint8Array,
    isCancelled: boolean,
  ): ReturnType<typeof to.domainMigrateFinish3Params> =>
    to.domainMigrateFinish3Params(
      {
        params: { ...moved, destination_name: params.destination_name ?? domain.name },
        cookie: finishCookie,
        isCancelled,
      },
      { flags: destinationFlags },
    );
  if ((flags & MigrateFlags.OFFLINE) === 0) {
    try {
      const timeoutMs = options.timeoutMs;
      cookie = await from.domainMigratePerform3Params(
        domain,
        { params: moved, cookie },
        { flags: sourceFlags, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
      );
    } catch (error) {
      // The source has gone on with it already, or will when it notices.
      await ignoringFailure(finish(new Uint8Array(0), true));
      throw error;
    }
  } else {
    cookie = new Uint8Array(0);
  }

  let finished: Awaited<ReturnType<typeof finish>>;
  try {
    finished = await finish(cookie, false);
  } catch (error) {
    // Only an answer says that it does not run there.
    if (error instanceof LibvirtError) await ignoringFailure(confirm(new Uint8Array(0), true));
    throw error;
  }
  await confirm(finished.cookie, false);
  return finished.domain;
}

/** A paused guest stays so. */
async function flagsOf(domain: Domain, options: MigrateDomainOptions): Promise<number> {
  const flags = options.flags ?? 0;
  if ((flags & MigrateFlags.POSTCOPY_RESUME) !== 0) return flags;
  const { state } = await options.from.domainGetState(domain);
  return state === DomainState.PAUSED ? flags | MigrateFlags.PAUSED : flags;
}

function uriOf(told: string | undefined, params: MigrationParams): string {
  const uri = told ?? params.migrate_uri;
  if (uri === undefined) throw new LibvirtProtocolError("domainMigratePrepare3Params: the destination named no URI");
  return uri;
}

/** For what is done on the way out of a failure, which is told instead. */
async function ignoringFailure(promise: Promise<unknown>): Promise<void> {
  await promise.catch(() => {});
}
