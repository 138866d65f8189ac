// Refuses what would exceed a quota of its namespace. A write that passes is first added to the quota's status, in the store and on condition that
// nobody else changed the quota: so of many servers that decide at once, none gives the same room away twice. Requests that wait for
// one namespace are decided together and cost one write.

import type { AdmissionPlugin, AdmissionRequest, AdmissionSubject, Settle } from "../admission/admission-plugin.ts";
import { forbidden } from "../errors.ts";
import { add, subtract, zero, type Amount } from "./amount.ts";
import type { QuotaIndex } from "./quota-index.ts";
import type { Reservation } from "./quota-ledger.ts";
import { recount, type QuotaParts } from "./recount.ts";
import { limitedNames, readQuota, shownAmounts, underQuotaNames, withUsed, type StoredQuota } from "./stored-quota.ts";
import type { Amounts } from "./usage.ts";

/** One request that waits for a decision. */
interface Claim {
  readonly request: AdmissionRequest;
  readonly reservation: Reservation;
  /** What it adds to what its namespace uses; for an update the difference, where that is more than nothing. */
  readonly delta: Amounts;
  /** What is limited and cannot be told of the object. */
  readonly missing: readonly string[];
  /** Whether something gets smaller: free once it is written, and found by a recount. */
  readonly isLess: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

const maxAttempts = 50;

export class QuotaAdmission implements AdmissionPlugin {
  readonly name = "ResourceQuota";
  readonly #index: QuotaIndex;
  readonly #parts: () => QuotaParts;
  /** Claims by namespace; a namespace with an entry is being worked on. */
  readonly #waiting = new Map<string, Claim[]>();

  constructor(index: QuotaIndex, parts: () => QuotaParts) {
    this.#index = index;
    this.#parts = parts;
  }

  isInterested({ operation, subresource, resource, namespace }: AdmissionSubject): boolean {
    if (namespace === undefined || subresource !== undefined) return false;
    if (operation !== "CREATE" && operation !== "UPDATE") return false;
    const limited = this.#index.limitedIn(namespace);
    return (
      limited !== undefined &&
      this.#parts()
        .usage.namesOf(resource)
        .some((name) => limited.has(name))
    );
  }

  async admit(request: AdmissionRequest): Promise<Settle | undefined> {
    const { namespace = "" } = request;
    const { ledger } = this.#parts();
    const claim = await this.#claimOf(request, namespace);
    if (claim === undefined) return undefined;
    const { reservation, isLess } = claim;
    if (claim.delta.size > 0 || claim.missing.length > 0)
      await new Promise<void>((resolve, reject) => this.#enqueue(namespace, { ...claim, resolve, reject }));
    if (request.isDryRun) return undefined;
    return (outcome) => {
      switch (outcome) {
        case "written":
          ledger.release(namespace, reservation);
          if (isLess) ledger.needsRecount(namespace);
          return;
        case "unwritten":
          ledger.release(namespace, reservation);
          ledger.needsRecount(namespace);
          return;
        case "unknown":
          ledger.releaseLater(namespace, reservation);
      }
    };
  }

  /** Undefined when the write adds nothing. */
  async #claimOf(request: AdmissionRequest, namespace: string): Promise<Omit<Claim, "resolve" | "reject"> | undefined> {
    const { state, usage } = this.#parts();
    const { resource, object, oldObject } = request;
    const limited = this.#index.limitedIn(namespace);
    if (object === undefined || limited === undefined) return undefined;
    const wanted = new Set(usage.namesOf(resource).filter((name) => limited.has(name)));
    const now = await usage.usageOf(state, resource, { object, wanted });
    const before =
      oldObject === undefined ? undefined : await usage.usageOf(state, resource, { object: oldObject, wanted });
    const delta = new Map<string, Amount>();
    let isLess = false;
    for (const [name, amount] of now) {
      const more = subtract(amount, before?.get(name) ?? zero);
      if (more.milli > 0n) delta.set(name, more);
      else if (more.milli < 0n) isLess = true;
    }
    const missing = before === undefined ? [...wanted].filter((name) => !now.has(name)) : [];
    if (delta.size === 0 && missing.length === 0 && !isLess) return undefined;
    const reservation = { key: resource.keyOf(namespace, request.name), usage: now };
    return { request, reservation, delta, missing, isLess };
  }

  #enqueue(namespace: string, claim: Claim): void {
    const waiting = this.#waiting.get(namespace);
    if (waiting !== undefined) waiting.push(claim);
    else {
      this.#waiting.set(namespace, [claim]);
      void this.#work(namespace);
    }
  }

  async #work(namespace: string): Promise<void> {
    for (;;) {
      const claims = this.#waiting.get(namespace) ?? [];
      if (claims.length === 0) {
        this.#waiting.delete(namespace);
        return;
      }
      this.#waiting.set(namespace, []);
      try {
        await this.#decide(namespace, claims);
      } catch (error) {
        for (const claim of claims) this.#giveUp(namespace, claim, error);
      }
    }
  }

  async #decide(namespace: string, claims: readonly Claim[]): Promise<void> {
    let open = claims;
    for (let attempt = 1; open.length > 0; attempt++) {
      const quotas = await this.#quotasOf(namespace);
      const used = new Map(quotas.map((quota) => [quota, new Map(quota.used)]));
      const passed = open.filter((claim) => this.#fits(namespace, claim, used));
      const reserved = passed.filter((claim) => !claim.request.isDryRun);
      if (await this.#write(quotas, used, reserved.length > 0)) {
        for (const claim of passed) claim.resolve();
        return;
      }
      // Somebody else changed a quota; one that was written before it now counts these twice, until it is counted again.
      this.#parts().ledger.needsRecount(namespace);
      if (attempt >= maxAttempts) throw new Error(`the quotas of ${namespace} change too fast to be written`);
      open = passed;
    }
  }

  /** Adds a claim that fits to what is used; rejects one that does not. */
  #fits(namespace: string, claim: Claim, used: ReadonlyMap<StoredQuota, Map<string, Amount>>): boolean {
    const { request, reservation } = claim;
    for (const [quota, amounts] of used) {
      const why = refusal(quota, amounts, claim);
      if (why === undefined) continue;
      this.#giveUp(namespace, claim, forbidden(request.resource, request.name, why));
      return false;
    }
    if (request.isDryRun) return true;
    for (const [quota, amounts] of used)
      for (const [name, more] of underQuotaNames(quota, claim.delta))
        amounts.set(name, add(amounts.get(name) ?? zero, more));
    this.#parts().ledger.reserve(namespace, reservation);
    return true;
  }

  #giveUp(namespace: string, claim: Claim, error: unknown): void {
    this.#parts().ledger.release(namespace, claim.reservation);
    claim.reject(error);
  }

  async #write(
    quotas: readonly StoredQuota[],
    used: ReadonlyMap<StoredQuota, Amounts>,
    isNeeded: boolean,
  ): Promise<boolean> {
    if (!isNeeded) return true;
    const { state, resource } = this.#parts();
    for (const quota of quotas) {
      const bytes = withUsed(quota, used.get(quota) ?? quota.used, resource);
      if (bytes === undefined) continue;
      const { written } = await state.store.put(quota.key, bytes, { expected: quota.modRevision });
      if (!written) return false;
    }
    return true;
  }

  /** The quotas as they are stored, all of them counted. */
  async #quotasOf(namespace: string): Promise<readonly StoredQuota[]> {
    const { state, resource } = this.#parts();
    const read = async (): Promise<readonly StoredQuota[]> =>
      (await state.store.list(resource.keyPrefix(namespace))).items.map((kv) => readQuota(kv, resource));
    const quotas = await read();
    if (quotas.every((quota) => quota.isCounted)) return quotas;
    await recount(this.#parts(), namespace, { mayLower: false });
    return read();
  }
}

function refusal(quota: StoredQuota, used: Amounts, claim: Claim): string | undefined {
  const limited = limitedNames(quota);
  const missing = claim.missing.filter((name) => limited.has(name));
  if (missing.length > 0) return `failed quota: ${quota.name}: must specify ${missing.toSorted().join(",")}`;
  const requested = underQuotaNames(quota, claim.delta);
  const exceeded = [...requested.keys()].filter((name) => {
    const total = add(used.get(name) ?? zero, requested.get(name) ?? zero);
    return total.milli > (quota.hard.get(name)?.milli ?? 0n);
  });
  if (exceeded.length === 0) return undefined;
  return `exceeded quota: ${quota.name}, requested: ${shownAmounts(exceeded, requested)}, used: ${shownAmounts(exceeded, used)}, limited: ${shownAmounts(exceeded, quota.hard)}`;
}
