// One of several servers acts, the others stand by: by a coordination.k8s.io/v1 Lease, as client-go does it
// (https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go). Clocks need not agree: how old the
// leader's last sign of life is, is measured from when it was seen here.

import { isStatus, type Lease, Lease as LeaseKind, type ObjectKey } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";
import { realClock, type Clock } from "./clock.ts";

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly lease: Required<ObjectKey>;
  /** Of this process; no other may have it. */
  readonly identity: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  /** How long others wait after the last sign of life before they take over. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** How long the leader tries to give a sign of life before it stops leading. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** How often is tried. Default 2 s. */
  readonly retryPeriodMs?: number;
  /** Called with the identity of each new leader, this one too. */
  readonly onLeader?: (identity: string) => void;
}

/** Leads while its signal is not aborted, and settles soon after it is: others may lead from then on. */
export type Lead = (signal: AbortSignal) => Promise<void>;

/** What the leader did goes on after others may lead: the process must end. */
export class StillLeadingError extends Error {
  override readonly name = "StillLeadingError";
}

/** Leads whenever elected, until the signal aborts; then the lease is given back, so that another server need not wait for its end. */
export async function runLeaderElection(
  options: LeaderElectionOptions,
  lead: Lead,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const elector = new Elector(options);
  while (!signal.aborted) {
    await elector.acquire(signal);
    if (signal.aborted) break;
    const lost = new AbortController();
    const leading = lead(AbortSignal.any([signal, lost.signal]));
    const over = await Promise.race([elector.renew(signal), leading.then(() => "left" as const)]);
    if (over === "lost") await elector.stepDown(leading, lost);
    else await leading;
  }
  await elector.release();
}

interface Observed {
  readonly lease: Lease;
  /** When it was first seen like this. */
  readonly atMs: number;
}

class Elector {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  #observed: Observed | undefined;
  #leader = "";

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#random = options.random ?? Math.random;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
  }

  /** Returns as the leader, or when the signal aborts. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#try(this.#retryPeriodMs)) return;
      await this.#pause(this.#retryPeriodMs * (1 + 1.2 * this.#random()), signal);
    }
  }

  /** Goes on giving signs of life; returns when that failed for too long, or when the signal aborts. */
  async renew(signal: AbortSignal): Promise<"lost" | "ended"> {
    let renewedMs = this.#clock.now();
    while (!signal.aborted) {
      await this.#pause(this.#retryPeriodMs, signal);
      if (signal.aborted) break;
      const leftMs = renewedMs + this.#renewDeadlineMs - this.#clock.now();
      // Counted from before the call: the sign of life is as old as that when others see it.
      const startMs = this.#clock.now();
      if (leftMs > 0 && (await this.#try(leftMs))) renewedMs = startMs;
      else if (this.#clock.now() - renewedMs >= this.#renewDeadlineMs || this.#isLedByOther()) return "lost";
    }
    return "ended";
  }

  /** Ends what was led. It has until others may lead. */
  async stepDown(leading: Promise<void>, lost: AbortController): Promise<void> {
    const { logger, identity } = this.#options;
    logger.warn({ identity }, "no longer the leader: the lease could not be renewed");
    lost.abort();
    const graceMs = this.#leaseDurationMs - this.#renewDeadlineMs;
    const inTime = new AbortController();
    const late = this.#clock.delay(graceMs, { signal: inTime.signal }).then(
      () => "late" as const,
      () => "over" as const,
    );
    const over = await Promise.race([leading.then(() => "over" as const), late]);
    inTime.abort();
    if (over === "late")
      throw new StillLeadingError(`Cannot stop leading within ${graceMs} ms: work goes on, expected all of it to end`);
  }

  async release(): Promise<void> {
    const { client, identity, logger } = this.#options;
    const lease = this.#observed?.lease;
    if (lease === undefined || lease.spec?.holderIdentity !== identity) return;
    const now = this.#timestamp();
    const { leaseTransitions = 0 } = lease.spec;
    const spec = { holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions };
    try {
      await client.update(LeaseKind, { ...lease, spec }, { signal: AbortSignal.timeout(this.#retryPeriodMs) });
      logger.info({ identity }, "gave the lease back");
    } catch (error) {
      logger.warn({ err: error }, "cannot give the lease back: others wait until it ends");
    }
  }

  /** One attempt to take or to keep the lease. */
  async #try(timeoutMs: number): Promise<boolean> {
    const end = new AbortController();
    const { signal } = end;
    const attempt = this.#takeOrRenew(signal);
    const late = this.#clock.delay(timeoutMs, { signal }).then(
      () => "late" as const,
      () => "late" as const,
    );
    try {
      return (await Promise.race([attempt, late])) === true;
    } catch (error) {
      // Somebody else was faster.
      if (!isStatus(error, "Conflict", "AlreadyExists"))
        this.#options.logger.warn({ err: error }, "cannot reach the lease, trying again");
      return false;
    } finally {
      end.abort();
      attempt.catch(() => undefined);
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, lease: key, identity } = this.#options;
    const found = await this.#find(signal);
    const spec = found?.spec ?? {};
    if (found !== undefined) this.#observe(found);
    const holder = spec.holderIdentity ?? "";
    if (holder !== "" && holder !== identity && !this.#isOver(spec)) return false;
    const now = this.#timestamp();
    const isOurs = holder === identity;
    const wanted = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1_000),
      acquireTime: (isOurs ? spec.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions: found === undefined ? 0 : (spec.leaseTransitions ?? 0) + (isOurs ? 0 : 1),
    };
    const written =
      found === undefined
        ? await client.create(LeaseKind, { ...leaseNamed(key), spec: wanted }, { signal })
        : await client.update(LeaseKind, { ...found, spec: wanted }, { signal });
    if (signal.aborted) return false;
    this.#observe(written);
    return true;
  }

  async #find(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return await this.#options.client.get(LeaseKind, this.#options.lease, { signal });
    } catch (error) {
      if (isStatus(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #observe(lease: Lease): void {
    if (this.#observed?.lease.metadata.resourceVersion === lease.metadata.resourceVersion) return;
    this.#observed = { lease, atMs: this.#clock.now() };
    const leader = lease.spec?.holderIdentity ?? "";
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader !== "") this.#options.onLeader?.(leader);
  }

  /** The holder has given no sign of life for as long as it said it would need. */
  #isOver(spec: NonNullable<Lease["spec"]>): boolean {
    const durationMs = (spec.leaseDurationSeconds ?? 0) * 1_000;
    return this.#observed !== undefined && this.#observed.atMs + durationMs <= this.#clock.now();
  }

  #isLedByOther(): boolean {
    const holder = this.#observed?.lease.spec?.holderIdentity ?? "";
    return holder !== "" && holder !== this.#options.identity;
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return this.#clock.delay(ms, { signal }).catch(() => undefined);
  }

  /** metav1.MicroTime. */
  #timestamp(): string {
    return new Date(this.#clock.now()).toISOString().replace("Z", "000Z");
  }
}

function leaseNamed({ namespace, name }: Required<ObjectKey>): Lease {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace, name } };
}
