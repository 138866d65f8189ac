// The templates that a set had. The newest number is the template as it is now; one that comes back keeps its object and gets a new number.

import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { apiVersionOf, isStatus, VMSetRevision, type VMSet } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Cache } from "@vivarium/runtime";
import { ownerOf } from "./vm-set-machines.ts";

const hashLength = 10;

export function revisionsOf(set: VMSet, cache: Cache<VMSetRevision>): readonly VMSetRevision[] {
  const { namespace, uid } = set.metadata;
  return cache
    .list(namespace === undefined ? {} : { namespace })
    .filter(({ metadata }) => (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid))
    .sort((a, b) => a.revision - b.revision);
}

/** The revision of the template as it is now, written if it is new. */
export async function ensureRevision(
  client: Client,
  { set, known }: { readonly set: VMSet; readonly known: readonly VMSetRevision[] },
  options: { readonly signal: AbortSignal },
): Promise<VMSetRevision> {
  const { template } = set.spec;
  const next = (known.at(-1)?.revision ?? 0) + 1;
  const same = known.find((each) => isDeepStrictEqual(each.template, template));
  if (same !== undefined) {
    if (same === known.at(-1)) return same;
    return client.update(VMSetRevision, { ...same, revision: next }, options);
  }
  const { name, namespace } = set.metadata;
  const hash = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, hashLength);
  const revision: VMSetRevision = {
    apiVersion: apiVersionOf(VMSetRevision),
    kind: VMSetRevision.kind,
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [ownerOf(set)],
    },
    revision: next,
    template,
  };
  try {
    return await client.create(VMSetRevision, revision, options);
  } catch (error) {
    // Of a set of the same name that is gone, and that the collector has not come to.
    if (!isStatus(error, "AlreadyExists")) throw error;
    return client.create(
      VMSetRevision,
      {
        ...revision,
        metadata: { ...revision.metadata, name: `${name}-${hash}-${(set.metadata.uid ?? "").slice(0, 8)}` },
      },
      options,
    );
  }
}

/** Those that neither a machine nor the set needs, beyond the limit, oldest first. */
export function superfluousRevisions(
  known: readonly VMSetRevision[],
  { used, limit }: { readonly used: ReadonlySet<string>; readonly limit: number },
): readonly VMSetRevision[] {
  const idle = known.filter(({ metadata }) => !used.has(metadata.name));
  return idle.slice(0, Math.max(0, idle.length - limit));
}
