// Deletes every object of a kind, and waits for those that finalizers hold.

import { isStatus, type UserInfo } from "@vivarium/api";
import { CompactedError } from "@vivarium/store";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored } from "../stored-object.ts";
import { deleteObject } from "../verbs/delete.ts";

/** As Kubernetes does it: the API server itself. */
const finalizingUser: UserInfo = { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

/** Returns when no object is left, or when the server closes. */
export async function removeObjects(state: ServerState, resource: Resource): Promise<void> {
  const prefix = resource.keyPrefix();
  while (!state.closing.aborted) {
    for (const item of (await state.store.list(prefix)).items) {
      const { name, namespace } = decodeStored(item, resource).metadata;
      const target = { resource, name, ...(namespace !== undefined && { namespace }) };
      const order = {
        target,
        options: { isDryRun: false },
        now: state.now(),
        user: finalizingUser,
        warnings: [],
        auditAnnotations: new Map<string, string>(),
      };
      await deleteObject(state, order).catch((error: unknown) => {
        if (!isStatus(error, "NotFound")) throw error;
      });
    }
    const { items, revision } = await state.store.list(prefix, { limit: 1 });
    if (items.length === 0) return;
    await untilChanged(state, prefix, revision);
  }
}

async function untilChanged(state: ServerState, prefix: string, revision: number): Promise<void> {
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, state.closing]);
  try {
    for await (const batch of state.store.watch(prefix, { fromRevision: revision + 1, signal }))
      if (batch.some((event) => event.type === "delete")) return;
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
  } finally {
    end.abort();
  }
}
