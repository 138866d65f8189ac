// Writes core/v1 Events in the background. The same event again (same object, reason and message) is counted in the object that is there,
// also after a restart, since its name follows from what it says. One object cannot flood: beyond a burst its events are dropped.
// Old ones the API server removes.
//
// Events are written in lanes, each one after the other: those of one object share a lane, so that they come in their order and the same one
// is never written twice at a time; and where many objects have news at once, their writes share commits.

import { createHash } from "node:crypto";
import { Event, formatTime, isStatus } from "@vivarium/api";
import type { KubeObject } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { EventRecorder } from "./controller.ts";
import { TokenBuckets } from "./token-buckets.ts";

const component = "vivarium";
const burst = { size: 25, refillEveryMs: 30_000 };
const lanes = 16;
const maxPending = 20_000;

interface Pending {
  /** No more of the object, which may be large and is soon an old version. */
  readonly about: Event["involvedObject"];
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
  readonly #lanes: readonly Lane[] = Array.from({ length: lanes }, () => ({ pending: new Map(), writing: undefined }));
  #pending = 0;

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
    const lane = this.#laneOf(about);
    const pending = lane.pending.get(name);
    if (pending !== undefined) {
      pending.count += 1;
      pending.lastMs = now;
      return;
    }
    const isFlood = !this.#buckets.take(about.metadata.uid ?? about.metadata.name, now);
    if (isFlood || this.#pending >= maxPending) {
      this.#log.debug({ event, about: about.metadata.name }, "event dropped: too many");
      return;
    }
    lane.pending.set(name, { about: referenceTo(about), ...event, firstMs: now, count: 1, lastMs: now });
    this.#pending += 1;
    lane.writing ??= this.#write(lane).finally(() => (lane.writing = undefined));
  }

  /** Waits for the signal, and then for what is pending to be written. */
  async run(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    for (const { writing } of this.#lanes) await writing;
  }

  #laneOf({ metadata: { uid, name } }: KubeObject): Lane {
    let sum = 0;
    for (const character of uid ?? name) sum += character.charCodeAt(0);
    const lane = this.#lanes[sum % lanes];
    if (lane === undefined) throw new RangeError(`There is no lane ${sum % lanes}`);
    return lane;
  }

  async #write({ pending }: Lane): Promise<void> {
    for (const [name, event] of pending) {
      // Out of the map before the first await: what is recorded from now on is a new entry.
      pending.delete(name);
      this.#pending -= 1;
      try {
        await this.#writeOne(name, event);
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
}

/** What waits to be written, and who writes it. */
interface Lane {
  readonly pending: Map<string, Pending>;
  writing: Promise<void> | undefined;
}

/** Events about objects without a namespace are in this one, as in Kubernetes. */
function namespaceOf({ namespace }: Event["involvedObject"]): string {
  return namespace ?? "default";
}

function referenceTo({ apiVersion, kind, metadata }: KubeObject): Event["involvedObject"] {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
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
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: namespaceOf(event.about) },
    involvedObject: event.about,
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
