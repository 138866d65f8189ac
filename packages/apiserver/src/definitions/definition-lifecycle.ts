// The life of CustomResourceDefinitions: the registry follows the store, names are accepted, and a deleted definition goes after all
// its objects. Each server that shares a store runs one of these; their writes are compare-and-swap, and all of them want the same.
//
//   store ─ watch ─► definitions ─► names accepted? ─ write status ─► registry: served
//                                └► deleted? ─ delete objects, then the finalizer ─► registry: gone

import { isDeepStrictEqual } from "node:util";
import { CompactedError, type KeyValue, type Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";
import { timestamp } from "../meta/timestamp.ts";
import type { Resource } from "../resource.ts";
import type { ResourceRegistry } from "../resource-registry.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored } from "../stored-object.ts";
import { pause } from "../tasks/pause.ts";
import { acceptNames, takenNames, withCondition } from "./accepted-names.ts";
import { removeObjects } from "./remove-objects.ts";
import { asDefinition, cleanupFinalizer, isConditionTrue, type StoredDefinition } from "./stored-definition.ts";

const retryMs = 1000;
/** A request that has to wait longer than this for the registry goes on with what is known. */
const maxCatchUpMs = 5000;

interface Known {
  readonly kv: KeyValue;
  readonly definition: StoredDefinition;
}

interface Waiter {
  isOver(): boolean;
  resolve(): void;
}

export class DefinitionLifecycle {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #registry: ResourceRegistry;
  readonly #resource: Resource;
  readonly #now: () => Date;
  /** By name, in the order in which they were made. */
  #known = new Map<string, Known>();
  /** Every change up to this revision is in the registry. */
  #seen = 0;
  #waiters: Waiter[] = [];
  readonly #removals = new Map<string, Promise<void>>();

  /** `resource`: the kind CustomResourceDefinition. */
  constructor(options: {
    readonly store: Store;
    readonly log: Logger;
    readonly registry: ResourceRegistry;
    readonly resource: Resource;
    readonly now: () => Date;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#registry = options.registry;
    this.#resource = options.resource;
    this.#now = options.now;
  }

  /** Reads what is stored: afterwards every kind that can be served is. */
  async load(): Promise<void> {
    const { items, revision } = await this.#store.list(this.#resource.keyPrefix());
    const names = new Set(items.map((item) => this.#nameOf(item.key)));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#forget(name, revision);
    const sorted = items.toSorted((a, b) => a.createRevision - b.createRevision);
    this.#known = new Map(sorted.map((kv) => [this.#nameOf(kv.key), this.#decode(kv)]));
    for (const name of this.#known.keys()) await this.#settle(name);
    this.#see(revision);
  }

  /** Follows the store until the server closes. */
  async run(state: ServerState): Promise<void> {
    while (!state.closing.aborted) {
      try {
        for (const [name, known] of this.#known) this.#removeIfDeleted(state, name, known);
        const options = { fromRevision: this.#seen + 1, signal: state.closing };
        for await (const batch of this.#store.watch(this.#resource.keyPrefix(), options)) {
          for (const event of batch) {
            const name = this.#nameOf(event.key);
            if (event.type === "put") await this.#changed(state, name, event.current);
            else await this.#deleted(name, event.revision);
            this.#see(event.revision);
          }
        }
      } catch (error) {
        if (state.closing.aborted) break;
        if (!(error instanceof CompactedError))
          this.#log.warn({ err: error }, "cannot follow the custom resource definitions, trying again");
        await pause(retryMs, state.closing);
        await this.load().catch((err: unknown) => {
          if (!state.closing.aborted) this.#log.warn({ err }, "cannot read the custom resource definitions");
        });
      }
    }
    for (const waiter of this.#waiters) waiter.resolve();
    await Promise.all(this.#removals.values());
  }

  /** Waits until the newest write of the definition `name`, or of all, is in the registry. False when there is no such definition. */
  async catchUp(name?: string): Promise<boolean> {
    const { items } = await this.#store.list(this.#resource.keyPrefix() + (name ?? ""));
    const found = items.filter((item) => name === undefined || this.#nameOf(item.key) === name);
    const newest = Math.max(0, ...found.map((item) => item.modRevision));
    if (name !== undefined && found.length === 0) await this.#until(() => !this.#known.has(name));
    else await this.#until(() => this.#seen >= newest);
    return found.length > 0;
  }

  async #until(isOver: () => boolean): Promise<void> {
    if (isOver()) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#waiters.push({ isOver, resolve });
      timer = setTimeout(resolve, maxCatchUpMs).unref();
    });
    clearTimeout(timer);
  }

  #see(revision: number): void {
    this.#seen = Math.max(this.#seen, revision);
    const ready = this.#waiters.filter((waiter) => waiter.isOver());
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) waiter.resolve();
  }

  async #changed(state: ServerState, name: string, kv: KeyValue): Promise<void> {
    const old = this.#known.get(name);
    // Our own write of a status comes back after a newer state is known.
    if (old !== undefined && old.kv.modRevision >= kv.modRevision) return;
    this.#known.set(name, this.#decode(kv));
    await this.#settle(name);
    await this.#settleOthers(kv, name);
    const known = this.#known.get(name);
    if (known !== undefined) this.#removeIfDeleted(state, name, known);
  }

  async #deleted(name: string, revision: number): Promise<void> {
    const old = this.#known.get(name);
    if (old === undefined || old.kv.modRevision > revision) return;
    this.#forget(name, revision);
    await this.#settleOthers(old.kv, name);
  }

  #forget(name: string, revision: number): void {
    const old = this.#known.get(name);
    this.#known.delete(name);
    if (old === undefined) return;
    const { group, names } = old.definition.spec;
    this.#registry.remove(group, names.plural, revision);
  }

  /** Names that were given up may be what another definition of the group waits for. */
  async #settleOthers(kv: KeyValue, name: string): Promise<void> {
    const { group } = this.#decode(kv).definition.spec;
    for (const [other, { definition }] of this.#known)
      if (other !== name && definition.spec.group === group && !isConditionTrue(definition, "NamesAccepted"))
        await this.#settle(other);
  }

  /** Accepts names, writes the status where it changes, and brings the kind into the registry. */
  async #settle(name: string): Promise<void> {
    const known = this.#known.get(name);
    if (known === undefined) return;
    const { definition, kv } = known;
    const status = acceptNames(definition, this.#takenFor(definition), timestamp(this.#now()));
    if (!isDeepStrictEqual(status, definition.status)) {
      const next = { ...definition, status };
      const result = await this.#store.put(kv.key, encodeStored(next, this.#resource), { expected: kv.modRevision });
      // Otherwise somebody wrote in between: the watch brings it.
      if (!result.written) return;
      this.#known.set(name, { kv: result.current, definition: next });
    }
    const current = this.#known.get(name);
    if (current !== undefined) this.#serve(current);
  }

  #serve({ definition, kv }: Known): void {
    const { group, names } = definition.spec;
    const accepted = definition.status.acceptedNames;
    if (!isConditionTrue(definition, "Established")) {
      this.#registry.remove(group, names.plural, kv.modRevision);
      return;
    }
    const served: CustomResourceDefinition = {
      metadata: { name: definition.metadata.name },
      spec: { ...definition.spec, names: { ...names, ...accepted } },
    };
    const isTerminating = definition.metadata.deletionTimestamp !== undefined;
    this.#registry.set(served, { revision: kv.modRevision, isTerminating });
  }

  #takenFor(definition: StoredDefinition) {
    const { group } = definition.spec;
    const others = [...this.#known.values()]
      .map((known) => known.definition)
      .filter((each) => each.metadata.name !== definition.metadata.name && each.spec.group === group)
      .map((each) => each.status.acceptedNames);
    return takenNames([...this.#registry.builtIn(group).map((each) => each.spec.names), ...others]);
  }

  #removeIfDeleted(state: ServerState, name: string, { definition }: Known): void {
    const { deletionTimestamp, finalizers } = definition.metadata;
    if (deletionTimestamp === undefined || finalizers?.includes(cleanupFinalizer) !== true) return;
    if (this.#removals.has(name)) return;
    const removal = this.#remove(state, name, definition).finally(() => this.#removals.delete(name));
    this.#removals.set(name, removal);
  }

  /** Deletes all objects of the kind, then takes the finalizer away. Repeated until it is done or the server closes. */
  async #remove(state: ServerState, name: string, definition: StoredDefinition): Promise<void> {
    const { group, names } = definition.spec;
    const isThis = (each: Resource): boolean => each.group === group && each.plural === names.plural;
    while (!state.closing.aborted) {
      try {
        const resource = this.#registry.stored().find(isThis);
        // Not in the registry: its names were never accepted, so it has no objects.
        if (resource !== undefined) await removeObjects(state, resource);
        if (state.closing.aborted) return;
        const isDone = await this.#takeFinalizer(name);
        // A create that looked just before the definition was marked may have been written after we looked.
        if (isDone && resource !== undefined) await removeObjects(state, resource);
        if (isDone) return;
      } catch (error) {
        if (state.closing.aborted) return;
        this.#log.warn({ err: error, definition: name }, "cannot delete the objects of a deleted kind, trying again");
        await pause(retryMs, state.closing);
      }
    }
  }

  /** True when the definition is no longer held by us. */
  async #takeFinalizer(name: string): Promise<boolean> {
    const key = this.#resource.keyOf(undefined, name);
    const found = await this.#store.get(key);
    if (found === undefined) return true;
    const { definition } = this.#decode(found);
    if (definition.metadata.deletionTimestamp === undefined) return true;
    const finalizers = (definition.metadata.finalizers ?? []).filter((each) => each !== cleanupFinalizer);
    const condition = { expected: found.modRevision };
    if (finalizers.length === 0) return (await this.#store.delete(key, condition)).deleted;
    const status = {
      ...definition.status,
      conditions: withCondition(
        definition.status.conditions,
        {
          type: "Terminating",
          status: "False",
          reason: "InstanceDeletionCompleted",
          message: "removed all instances",
        },
        timestamp(this.#now()),
      ),
    };
    const next = { ...definition, metadata: { ...definition.metadata, finalizers }, status };
    return (await this.#store.put(key, encodeStored(next, this.#resource), condition)).written;
  }

  #decode(kv: KeyValue): Known {
    return { kv, definition: asDefinition(decodeStored(kv, this.#resource)) };
  }

  #nameOf(key: string): string {
    return key.slice(this.#resource.keyPrefix().length);
  }
}
