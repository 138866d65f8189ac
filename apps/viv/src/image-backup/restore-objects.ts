// VMImages and roles back from a backup, where they are gone. What their files are goes back into the status: of a layer nobody else knows it.

import { isDeepStrictEqual } from "node:util";
import { formatTime, isStatus, Namespace, VMImage, VMRole } from "@vivarium/api";
import type { KubeObject, ResourceType, VMImageStatus } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { newMetadata } from "./backup-content.ts";
import type { ImageBackupContent } from "./backup-content.ts";
import type { RestoredFile } from "./restore-files.ts";

interface Options {
  readonly client: Client;
  readonly files: readonly RestoredFile[];
  readonly isDryRun: boolean;
}

/** Gives what was made, or would be. */
export async function restoreObjects(
  { roles, images }: ImageBackupContent,
  { client, files, isDryRun }: Options,
): Promise<readonly string[]> {
  const made: string[] = [];
  for (const role of roles) {
    if ((await find(client, VMRole, role)) !== undefined) continue;
    made.push(`VMRole ${role.metadata.namespace ?? ""}/${role.metadata.name}`);
    if (!isDryRun) await create(client, VMRole, { ...role, metadata: newMetadata(role.metadata) });
  }
  for (const image of images) {
    const present = await find(client, VMImage, image);
    if (present === undefined) made.push(`VMImage ${image.metadata.namespace ?? ""}/${image.metadata.name}`);
    if (isDryRun) continue;
    const { status, ...rest } = image;
    const object = present ?? (await create(client, VMImage, { ...rest, metadata: newMetadata(image.metadata) }));
    const isSame = object.status?.digest === undefined && isDeepStrictEqual(object.spec, image.spec);
    if (!isSame || status === undefined) continue;
    const patch = { status: statusFrom(status, object, files) };
    await client.mergePatch(VMImage, object.metadata, patch, { subresource: "status" });
  }
  return made;
}

function statusFrom(status: VMImageStatus, { metadata }: VMImage, files: readonly RestoredFile[]): VMImageStatus {
  const { digest, checksum, format, size, virtualSize, source, lastPrepareTime } = status;
  const whole = files.filter(
    ({ record, outcome }) =>
      record.namespace === metadata.namespace &&
      record.image === metadata.name &&
      record.digest === digest &&
      (outcome === "Intact" || outcome === "Restored"),
  );
  const lastUpdated = formatTime(new Date());
  const entries = whole.map(({ record: { provider } }) => {
    const { message: _, ...entry } = status.providerStatus?.[provider] ?? { available: true };
    return [provider, { ...entry, available: true, lastUpdated }] as const;
  });
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(format === undefined ? {} : { format }),
    ...(size === undefined ? {} : { size }),
    ...(virtualSize === undefined ? {} : { virtualSize }),
    ...(source === undefined ? {} : { source }),
    ...(lastPrepareTime === undefined ? {} : { lastPrepareTime }),
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    availableOn: entries.map(([provider]) => provider),
    providerStatus: Object.fromEntries(entries),
  };
}

async function find<T extends KubeObject>(client: Client, type: ResourceType<T>, object: T): Promise<T | undefined> {
  try {
    return await client.get(type, object.metadata);
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}

async function create<T extends KubeObject>(client: Client, type: ResourceType<T>, object: T): Promise<T> {
  const { namespace } = object.metadata;
  if (namespace !== undefined) await ensureNamespace(client, namespace);
  return client.create(type, object);
}

async function ensureNamespace(client: Client, name: string): Promise<void> {
  try {
    await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  } catch (error) {
    if (!isStatus(error, "AlreadyExists")) throw error;
  }
}
