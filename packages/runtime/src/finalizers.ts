// A finalizer holds an object until what was made for it is gone.

import type { KubeObject, ObjectKey, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";

export interface FinalizerTarget<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly object: T;
  readonly finalizer: string;
}

/** Gives the object as it is afterwards. Throws Conflict when it changed since it was read. */
export async function ensureFinalizer<T extends KubeObject>(
  client: Client,
  { type, object, finalizer }: FinalizerTarget<T>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<T> {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(finalizer)) return object;
  return client.mergePatch(type, keyOf(object), patchOf(object, [...finalizers, finalizer]), options);
}

/** The object may be gone afterwards. Throws Conflict when it changed since it was read. */
export async function removeFinalizer<T extends KubeObject>(
  client: Client,
  { type, object, finalizer }: FinalizerTarget<T>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) return;
  await client.mergePatch(
    type,
    keyOf(object),
    patchOf(
      object,
      finalizers.filter((each) => each !== finalizer),
    ),
    options,
  );
}

/** The version makes it a compare-and-swap: a list is replaced as a whole. */
function patchOf(object: KubeObject, finalizers: readonly string[]): object {
  return { metadata: { uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion, finalizers } };
}

function keyOf(object: KubeObject): ObjectKey {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}
