// What namespaces mean for the objects in them: the first ones exist from the start, and nothing is made in one that is missing or
// going. Emptying a deleted one is the work of empty-namespaces.ts.

import type { KeyValue, Store } from "@vivarium/store";
import { forbidden, notFound } from "../errors.ts";
import { timestamp } from "../meta/timestamp.ts";
import type { Resource } from "../resource.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { firstNamespaces } from "../strategies/namespace.ts";

export class NamespaceLifecycle {
  readonly #store: Store;
  readonly #resource: Resource | undefined;

  /** `resource`: the Namespace kind; without one namespaces are only parts of keys. */
  constructor(options: { readonly store: Store; readonly resource: Resource | undefined }) {
    this.#store = options.store;
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
    if (isTerminating(found, namespaces))
      throw forbidden(
        resource,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      );
  }
}

const terminating = new WeakMap<KeyValue, boolean>();

/** Asked at each create: a namespace is read once for each of its versions, where the store keeps what it gave. */
function isTerminating(found: KeyValue, namespaces: Resource): boolean {
  const known = terminating.get(found);
  if (known !== undefined) return known;
  const isGoing = decodeStored(found, namespaces).metadata.deletionTimestamp !== undefined;
  terminating.set(found, isGoing);
  return isGoing;
}
