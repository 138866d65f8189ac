// Every namespace has the service account `default`, and gets it back when it is deleted.

import { setTimeout as delay } from "node:timers/promises";
import { isStatus } from "@vivarium/api";
import { OwnApi } from "../tasks/own-api.ts";
import type { ServerTask, TaskContext } from "../tasks/server-task.ts";
import { firstNamespaces } from "../strategies/namespace.ts";
import { StoreMirror } from "../store-mirror.ts";
import { decodeStored } from "../stored-object.ts";

const name = "default";
const controller = "service-account-controller";
const retryMs = 1000;

/** Those of the namespaces that are there from the start, so that nobody has to wait for them. */
export async function ensureFirstServiceAccounts({ state, handle, signal }: TaskContext): Promise<void> {
  const accounts = state.registry.find("", "v1", "serviceaccounts");
  if (accounts === undefined || state.registry.find("", "v1", "namespaces") === undefined) return;
  const api = new OwnApi({ handle, controller, signal });
  for (const namespace of firstNamespaces) {
    if ((await state.store.get(accounts.keyOf(namespace, name))) !== undefined) continue;
    await createIn(namespace, api).catch((error: unknown) => {
      // Another server on the same store was faster.
      if (!isStatus(error, "AlreadyExists")) throw error;
    });
  }
}

function createIn(namespace: string, api: OwnApi): Promise<void> {
  const object = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
  return api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, object);
}

export const defaultServiceAccounts: ServerTask = {
  name: controller,
  async run({ state, handle, signal }) {
    const { store, log, registry } = state;
    const namespaces = registry.find("", "v1", "namespaces");
    const accounts = registry.find("", "v1", "serviceaccounts");
    if (namespaces === undefined || accounts === undefined) return;
    const api = new OwnApi({ handle, controller, signal });
    const active = new Set<string>();
    const present = new Set<string>();

    async function ensure(): Promise<void> {
      for (const namespace of active) {
        if (present.has(namespace)) continue;
        try {
          await createIn(namespace, api);
        } catch (error) {
          if (signal.aborted) return;
          // Somebody made it, or the namespace is going: either comes by the watch.
          if (isStatus(error, "AlreadyExists", "Forbidden", "NotFound")) continue;
          log.warn({ err: error, namespace }, "cannot make the service account default, trying again");
          await delay(retryMs, undefined, { signal }).catch(() => undefined);
          schedule();
        }
      }
    }
    let last = Promise.resolve();
    const schedule = (): void => {
      if (!signal.aborted) last = last.then(ensure);
    };
    const follow = async (mirror: StoreMirror): Promise<void> => {
      await mirror.load().catch((error: unknown) => log.warn({ err: error }, "cannot read the store"));
      await mirror.follow(signal);
    };
    const prefix = namespaces.keyPrefix();
    await Promise.all([
      follow(
        new StoreMirror({
          store,
          log,
          prefix,
          onChange(key, value) {
            const isActive =
              value !== undefined && decodeStored(value, namespaces).metadata.deletionTimestamp === undefined;
            if (isActive) active.add(key.slice(prefix.length));
            else active.delete(key.slice(prefix.length));
          },
          onBatch: schedule,
        }),
      ),
      follow(
        new StoreMirror({
          store,
          log,
          prefix: accounts.keyPrefix(),
          onChange(key, value) {
            const [namespace = "", account] = key.slice(accounts.keyPrefix().length).split("/");
            if (account !== name) return;
            if (value === undefined) present.delete(namespace);
            else present.add(namespace);
          },
          onBatch: schedule,
        }),
      ),
    ]);
    await last;
  },
};
