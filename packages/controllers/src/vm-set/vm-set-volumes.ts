// The Volumes of a set's machines, made from its claim templates. They are found again by name, as a StatefulSet's claims are.

import { apiVersionOf, isStatus, ordinalLabel, vmSetUidLabel, Volume, type VMSet } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Cache } from "@vivarium/runtime";
import { machineName, ownerOf } from "./vm-set-machines.ts";

type ClaimTemplate = NonNullable<VMSet["spec"]["volumeClaimTemplates"]>[number];

/** What of a PersistentVolumeClaim's spec says something about a Volume. */
interface ClaimSpec {
  readonly storageClassName?: unknown;
  readonly resources?: { readonly requests?: { readonly storage?: unknown } };
}

/** Why the templates cannot be used, by field; undefined when they can. */
export function whyNotClaimable(set: VMSet): string | undefined {
  for (const [index, { metadata, spec }] of (set.spec.volumeClaimTemplates ?? []).entries()) {
    const field = `spec.volumeClaimTemplates[${index}].spec`;
    const { storageClassName, resources } = spec as ClaimSpec;
    const size = resources?.requests?.storage;
    if (typeof storageClassName !== "string") {
      return `${field}.storageClassName of "${metadata.name}" is missing: wanted is the name of a StoragePool`;
    }
    if (typeof size !== "string" && typeof size !== "number") {
      return `${field}.resources.requests.storage of "${metadata.name}" is missing: wanted is a size such as 10Gi`;
    }
  }
  return undefined;
}

/** The Volumes of the machine of this number, made where they are not there. */
export async function ensureVolumes(
  client: Client,
  { set, ordinal }: { readonly set: VMSet; readonly ordinal: number },
  options: { readonly signal: AbortSignal },
): Promise<void> {
  for (const template of set.spec.volumeClaimTemplates ?? []) {
    try {
      await client.create(Volume, buildVolume(set, { template, ordinal }), options);
    } catch (error) {
      // Kept from an earlier machine of this name.
      if (!isStatus(error, "AlreadyExists")) throw error;
    }
  }
}

/** Brings the Volumes that there are in line with the retention policy: who owns them, and which are not wanted any more. */
export async function keepRetention(
  client: Client,
  {
    set,
    volumes,
    isNeeded,
  }: { readonly set: VMSet; readonly volumes: Cache<Volume>; readonly isNeeded: (ordinal: number) => boolean },
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const { namespace = "", uid = "" } = set.metadata;
  const policy = set.spec.persistentVolumeClaimRetentionPolicy;
  for (const volume of volumes.list({ namespace })) {
    const { name, labels, deletionTimestamp } = volume.metadata;
    if (labels?.[vmSetUidLabel] !== uid || deletionTimestamp !== undefined) continue;
    const ordinal = Number(labels[ordinalLabel]);
    if (policy?.whenScaled === "Delete" && !isNeeded(ordinal)) {
      await client.delete(
        Volume,
        { namespace, name },
        { ...options, ...(volume.metadata.uid !== undefined && { uid: volume.metadata.uid }) },
      );
      continue;
    }
    const owners = volume.metadata.ownerReferences ?? [];
    const others = owners.filter((owner) => owner.uid !== uid);
    const isOwned = others.length < owners.length;
    const shallBeOwned = policy?.whenDeleted === "Delete";
    if (isOwned === shallBeOwned) continue;
    const ownerReferences = shallBeOwned ? [...others, { ...ownerOf(set), controller: false }] : others;
    await client.mergePatch(Volume, { namespace, name }, { metadata: { ownerReferences } }, options);
  }
}

function buildVolume(
  set: VMSet,
  { template, ordinal }: { readonly template: ClaimTemplate; readonly ordinal: number },
): Volume {
  const { namespace, uid = "" } = set.metadata;
  const { storageClassName, resources } = template.spec as ClaimSpec;
  const isOwned = set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === "Delete";
  return {
    apiVersion: apiVersionOf(Volume),
    kind: Volume.kind,
    metadata: {
      name: `${template.metadata.name}-${machineName(set, ordinal)}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata.labels, [vmSetUidLabel]: uid, [ordinalLabel]: String(ordinal) },
      ...(template.metadata.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
      ...(isOwned && { ownerReferences: [{ ...ownerOf(set), controller: false }] }),
    },
    // Both were looked at by `whyNotClaimable`.
    spec: { poolRef: { name: String(storageClassName) }, size: resources?.requests?.storage as string | number },
  };
}
