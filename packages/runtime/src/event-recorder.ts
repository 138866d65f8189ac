// Writes core/v1 Events in the background. The same event again (same object, reason and message) is counted in the object that is there,
// also after a restart, since its name follows from what it says. One object cannot flood: beyond a burst its events are dropped.
// Old events are removed; nothing runs while there are none.

import { createHash } from "node:crypto";
import { Event, formatTime, isStatus } from "@vivarium/api";
import type { KubeObject, ObjectKey } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { EventRecorder } from "./controller.ts";
import { TokenBuckets } from "./token-buckets.ts";

const component = "vivarium";
const keepMs = 3_600_000;
const pruneAtMostEveryMs = 600_000;
const burst = { size: 25, refillEveryMs: 30_000 };
const maxPending = 1_000;

interface Pending {
  readonly about: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly firstMs: number;
  count: number;
  lastMs: number;
}

export class ApiEventRecorder implements EventRecorder {
  readonly #client: Client;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #buckets: TokenBuckets;
  readonly #pending = new Map<string, Pending>();
  #writing: Promise<void> | undefined;
  #isPruneDue = false;
  #signal: AbortSignal | undefined;

  constructor(options: { readonly client: Client; readonly logger: Logger; readonly clock: Clock }) {
    this.#client = options.client;
    this.#log = options.logger;
    this.#clock = options.clock;
    this.#buckets = new TokenBuckets(burst);
  }

  record(
    about: KubeObject,
    event: { readonly type: "Normal" | "Warning"; readonly reason: string; readonly message: string },
  ): void {
    const now = this.#clock.now();
    const name = nameOf(about, event);
    const pending = this.#pending.get(name);
    if (pending !== undefined) {
      pending.count += 1;
      pending.lastMs = now;
      return;
    }
    const isFlood = !this.#buckets.take(about.metadata.uid ?? about.metadata.name, now);
    if (isFlood || this.#pending.size >= maxPending) {
      this.#log.debug({ event, about: about.metadata.name }, "event dropped: too many");
      return;
    }
    this.#pending.set(name, { about, ...event, firstMs: now, count: 1, lastMs: now });
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Removes old events now and from time to time while there are any, until the signal aborts; then writes what is pending. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await this.#prune(signal);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (const [name, event] of this.#pending) {
      // Out of the map before the first await: what is recorded from now on is a new entry.
      this.#pending.delete(name);
      try {
        await this.#writeOne(name, event);
        this.#pruneLater(keepMs);
      } catch (error) {
        // Its namespace may be gone, or the server out of reach. An event is news, not state: it is not worth waiting for.
        this.#log.debug({ err: error, reason: event.reason }, "event not written");
      }
    }
  }

  async #writeOne(name: string, event: Pending): Promise<void> {
    const namespace = namespaceOf(event.about);
    try {
      await this.#client.create(Event, eventOf(name, event));
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
      const key = { namespace, name };
      const old = await this.#client.get(Event, key);
      const patch = { count: (old.count ?? 1) + event.count, lastTimestamp: formatTime(new Date(event.lastMs)) };
      await this.#client.mergePatch(Event, key, patch);
    }
  }

  async #prune(signal: AbortSignal): Promise<void> {
    try {
      const { items } = await this.#client.list(Event, { signal });
      const times = items
        .filter((event) => event.source?.component === component)
        .map((event) => ({ key: event.metadata as ObjectKey, lastMs: lastMsOf(event) }));
      const limit = this.#clock.now() - keepMs;
      for (const { key } of times.filter((each) => each.lastMs < limit)) {
        await this.#client.delete(Event, key, { signal }).catch((error: unknown) => {
          if (!isStatus(error, "NotFound")) throw error;
        });
      }
      const kept = times.filter((each) => each.lastMs >= limit).map((each) => each.lastMs);
      if (kept.length > 0) this.#pruneLater(Math.min(...kept) - limit);
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ err: error }, "cannot remove old events");
    }
  }

  #pruneLater(ms: number): void {
    const signal = this.#signal;
    if (this.#isPruneDue || signal === undefined || signal.aborted) return;
    this.#isPruneDue = true;
    this.#clock.delay(Math.max(ms, pruneAtMostEveryMs), { signal }).then(
      () => {
        this.#isPruneDue = false;
        return this.#prune(signal);
      },
      () => {}, // Stopped.
    );
  }
}

function lastMsOf(event: Event): number {
  return Date.parse(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? "") || 0;
}

function namespaceOf(about: KubeObject): string {
  return about.metadata.namespace ?? "default";
}

function nameOf(
  about: KubeObject,
  event: { readonly type: string; readonly reason: string; readonly message: string },
): string {
  const { uid, namespace, name } = about.metadata;
  const identity = JSON.stringify([about.kind, namespace, name, uid, event.type, event.reason, event.message]);
  return `${name.slice(0, 230)}.${createHash("sha256").update(identity).digest("hex").slice(0, 16)}`;
}

function eventOf(name: string, event: Pending): Event {
  const { about } = event;
  const { namespace, uid, resourceVersion } = about.metadata;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: namespaceOf(about) },
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name: about.metadata.name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    type: event.type,
    reason: event.reason,
    message: event.message,
    count: event.count,
    firstTimestamp: formatTime(new Date(event.firstMs)),
    lastTimestamp: formatTime(new Date(event.lastMs)),
    source: { component },
    reportingComponent: component,
  };
}
