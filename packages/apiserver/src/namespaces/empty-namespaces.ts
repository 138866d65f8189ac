// A deleted namespace goes after everything in it, and says meanwhile what holds it. The work is repeated from what is stored, so a restart
// goes on where it was.

import { isStatus } from "@vivarium/api";
import { CompactedError } from "@vivarium/store";
import { distinctKinds } from "../resource-registry.ts";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { registryPrefix } from "../stored-place.ts";
import { OwnApi } from "../tasks/own-api.ts";
import { pause } from "../tasks/pause.ts";
import type { ServerTask, TaskContext } from "../tasks/server-task.ts";
import { withRemaining, type Remaining } from "./namespace-conditions.ts";

const retryMs = 1000;
const concurrency = 64;
const deletionMark = '"deletionTimestamp"';

export const emptyNamespaces: ServerTask = {
  name: "namespaces",
  async run(context) {
    const { state, signal } = context;
    const resource = state.registry.find("", "v1", "namespaces");
    if (resource === undefined) return;
    const api = new OwnApi({ handle: context.handle, controller: "namespace-controller", signal });
    while (!signal.aborted) {
      try {
        await step(context, api, resource);
      } catch (error) {
        if (signal.aborted) return;
        state.log.warn({ err: error }, "cannot empty a deleted namespace, trying again");
        await pause(retryMs, signal);
      }
    }
  },
};

/** Empties all deleted namespaces as far as it goes, then sleeps until more can be done. */
async function step({ state, signal }: TaskContext, api: OwnApi, resource: Resource): Promise<void> {
  const { items, revision } = await state.store.list(resource.keyPrefix());
  const deleted = items
    .map((item) => decodeStored(item, resource))
    .filter((namespace) => isWaiting(namespace, resource))
    .map((namespace) => namespace.metadata.name);
  let isBusy = false;
  let isRefused = false;
  for (const name of deleted) {
    const remaining = await empty(state, api, name);
    if (remaining.objects.size > 0) {
      isBusy = true;
      isRefused ||= remaining.refusals.length > 0;
      await tell(state, { resource, name, remaining });
    } else if (!(await remove(state, { api, resource, name }))) return;
  }
  // What refuses today may let go tomorrow, by a change that deletes nothing.
  if (isRefused) await pause(retryMs, signal);
  else await waitForChange(state, { resource, isBusy, revision, signal });
}

/** Deleted, and our part in it is not done. */
function isWaiting(namespace: ApiObject, resource: Resource): boolean {
  return namespace.metadata.deletionTimestamp !== undefined && resource.strategy.isHeld?.(namespace) === true;
}

/** Deletes what is in a namespace and counts what is still there after it. */
async function empty(state: ServerState, api: OwnApi, namespace: string): Promise<Remaining> {
  const objects = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const refusals: string[] = [];
  for (const resource of distinctKinds(state.registry).filter((each) => each.namespaced)) {
    const prefix = resource.keyPrefix(namespace);
    const { items } = await state.store.list(prefix);
    for (let at = 0; at < items.length; at += concurrency)
      await Promise.all(
        items.slice(at, at + concurrency).map(async ({ key }) => {
          try {
            await api.delete(
              { resource, namespace, name: key.slice(prefix.length) },
              { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background" },
            );
          } catch (error) {
            // One that is protected, or that others still need, holds up no other.
            if (!isStatus(error, "Forbidden") && !isStatus(error, "Conflict")) throw error;
            refusals.push(error.message);
          }
        }),
      );
    if (items.length === 0) continue;
    const left = (await state.store.list(prefix)).items;
    if (left.length > 0) objects.set(`${resource.plural}.${resource.group}`, left.length);
    for (const item of left)
      for (const finalizer of decodeStored(item, resource).metadata.finalizers ?? [])
        finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
  }
  return { objects, finalizers, refusals: refusals.toSorted() };
}

interface NamedNamespace {
  readonly resource: Resource;
  readonly name: string;
}

/** False when somebody else wrote in between. */
async function remove(
  state: ServerState,
  { api, resource, name }: NamedNamespace & { readonly api: OwnApi },
): Promise<boolean> {
  const key = resource.keyOf(undefined, name);
  const found = await state.store.get(key);
  if (found === undefined) return true;
  const namespace = decodeStored(found, resource);
  if ((namespace.metadata.finalizers ?? []).length > 0) {
    // Our part is done; the others' finalizers now hold it alone.
    namespace["spec"] = {};
    return (await state.store.put(key, encodeStored(namespace, resource), { expected: found.modRevision })).written;
  }
  const { deleted } = await state.store.delete(key, { expected: found.modRevision });
  if (!deleted) return false;
  // A create that looked just before the namespace was marked may have been written after we looked.
  await empty(state, api, name);
  return true;
}

/** Writes into the namespace's status what holds it, when that has changed. */
async function tell(
  state: ServerState,
  { resource, name, remaining }: NamedNamespace & { readonly remaining: Remaining },
): Promise<void> {
  const key = resource.keyOf(undefined, name);
  const found = await state.store.get(key);
  if (found === undefined) return;
  const told = withRemaining(decodeStored(found, resource), remaining, state.now());
  if (told !== undefined) await state.store.put(key, encodeStored(told, resource), { expected: found.modRevision });
}

/** While namespaces are held: until something is deleted. Else until a namespace is. */
async function waitForChange(
  state: ServerState,
  {
    resource,
    isBusy,
    revision,
    signal,
  }: { readonly resource: Resource; readonly isBusy: boolean; readonly revision: number; readonly signal: AbortSignal },
): Promise<void> {
  const end = new AbortController();
  const namespaces = resource.keyPrefix();
  const options = { fromRevision: revision + 1, signal: AbortSignal.any([end.signal, signal]) };
  try {
    for await (const batch of state.store.watch(isBusy ? registryPrefix : namespaces, options))
      for (const event of batch) {
        if (event.type === "delete" ? isBusy : isNewlyDeleted(event.key, event.current.value)) return;
      }
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
  } finally {
    end.abort();
  }

  function isNewlyDeleted(key: string, value: Uint8Array): boolean {
    if (!key.startsWith(namespaces)) return false;
    // What this task itself wrote about a namespace that is held is no news.
    const text = Buffer.from(value).toString();
    return text.includes(deletionMark) && !text.includes('"NamespaceContentRemaining"');
  }
}
