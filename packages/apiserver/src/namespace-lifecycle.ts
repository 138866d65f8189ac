// The life of namespaces: the first ones exist from the start, nothing is made in one that is missing or going, and a deleted one goes
// after everything in it. The work is repeated from what is stored, so a restart goes on where it was.

import { isStatus, type UserInfo } from "@vivarium/api";
import { CompactedError, type Store } from "@vivarium/store";
import type { Logger } from "pino";
import { forbidden, notFound } from "./errors.ts";
import { timestamp } from "./prepare.ts";
import type { Resource } from "./resource.ts";
import type { ServerState } from "./server-state.ts";
import { firstNamespaces } from "./strategies/namespace.ts";
import { decodeStored, encodeStored, type ApiObject } from "./stored-object.ts";
import { deleteObject } from "./verbs/delete.ts";

const retryMs = 1000;

/** As Kubernetes names its namespace controller. */
const controllerUser: UserInfo = {
  name: "system:serviceaccount:kube-system:namespace-controller",
  groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
};

export class NamespaceLifecycle {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #resource: Resource | undefined;
  #wake: () => void = () => undefined;

  /** `resource`: the Namespace kind; without one namespaces are only parts of keys. */
  constructor(options: { readonly store: Store; readonly log: Logger; readonly resource: Resource | undefined }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#resource = options.resource;
  }

  /** Makes the first namespaces where they are missing. */
  async ensureFirst(now: Date): Promise<void> {
    const resource = this.#resource;
    if (resource === undefined) return;
    for (const name of firstNamespaces) {
      const object: ApiObject = {
        apiVersion: resource.apiVersion,
        kind: resource.kind,
        metadata: { name, uid: crypto.randomUUID(), creationTimestamp: timestamp(now) },
      };
      resource.strategy.prepare?.(object, undefined);
      const key = resource.keyOf(undefined, name);
      if ((await this.#store.get(key)) === undefined)
        await this.#store.put(key, encodeStored(object, resource), { expected: 0 });
    }
  }

  /** Throws unless an object can be created there. */
  async assertAccepts(resource: Resource, { namespace, name }: { namespace: string; name: string }): Promise<void> {
    const namespaces = this.#resource;
    if (namespaces === undefined) return;
    const found = await this.#store.get(namespaces.keyOf(undefined, namespace));
    if (found === undefined) throw notFound(namespaces, namespace);
    if (decodeStored(found, namespaces).metadata.deletionTimestamp !== undefined)
      throw forbidden(
        resource,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      );
  }

  /** Looks for deleted namespaces again. */
  wake(): void {
    this.#wake();
  }

  /** Empties and removes deleted namespaces until the server closes. Sleeps while there are none. */
  async run(state: ServerState): Promise<void> {
    while (!state.closing.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        const isBusy = await this.#step(state);
        if (!isBusy) await Promise.race([woken, aborted(state.closing)]);
      } catch (error) {
        if (state.closing.aborted) return;
        this.#log.warn({ err: error }, "cannot empty a deleted namespace, trying again");
        await Promise.race([woken, aborted(state.closing), delay(retryMs)]);
      }
    }
  }

  /** True when a deleted namespace is left. */
  async #step(state: ServerState): Promise<boolean> {
    const resource = this.#resource;
    if (resource === undefined) return false;
    const { items, revision } = await this.#store.list(resource.keyPrefix());
    const deleted = items
      .map((item) => decodeStored(item, resource))
      .filter((namespace) => namespace.metadata.deletionTimestamp !== undefined);
    let isBusy = false;
    for (const namespace of deleted) {
      const isEmpty = await empty(state, namespace.metadata.name);
      if (isEmpty) await this.#remove(state, resource, namespace.metadata.name);
      else isBusy = true;
    }
    if (isBusy) await waitForDeletion(state, revision);
    return isBusy;
  }

  async #remove(state: ServerState, resource: Resource, name: string): Promise<void> {
    const key = resource.keyOf(undefined, name);
    const found = await this.#store.get(key);
    if (found === undefined) return;
    const namespace = decodeStored(found, resource);
    if ((namespace.metadata.finalizers ?? []).length > 0) {
      // Our part is done; the others' finalizers now hold it alone.
      namespace["spec"] = {};
      await this.#store.put(key, encodeStored(namespace, resource), { expected: found.modRevision });
      return;
    }
    await this.#store.delete(key, { expected: found.modRevision });
    // A create that looked just before the namespace was marked may have been written after we looked.
    await empty(state, name);
  }
}

/** Deletes what is in a namespace; true when nothing is left. */
async function empty(state: ServerState, namespace: string): Promise<boolean> {
  let isEmpty = true;
  for (const resource of state.registry.stored().filter((each) => each.namespaced)) {
    const prefix = resource.keyPrefix(namespace);
    for (const item of (await state.store.list(prefix)).items) {
      const target = { resource, namespace, name: item.key.slice(prefix.length) };
      const order = { target, options: { isDryRun: false }, now: state.now(), user: controllerUser, warnings: [] };
      await deleteObject(state, order).catch((error: unknown) => {
        if (!isStatus(error, "NotFound")) throw error;
      });
    }
    isEmpty = isEmpty && (await state.store.list(prefix, { limit: 1 })).items.length === 0;
  }
  return isEmpty;
}

/** Until something was deleted after the revision: then less may hold the namespace. */
async function waitForDeletion(state: ServerState, revision: number): Promise<void> {
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, state.closing]);
  try {
    for await (const batch of state.store.watch("/registry/", { fromRevision: revision + 1, signal }))
      if (batch.some((event) => event.type === "delete")) return;
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
  } finally {
    end.abort();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
