// What a migration to another Provider does with disks: has them copied, says so on the new machine, and removes what was for the way.

import { clonedDisksAnnotation, parseDuration, VirtualMachine, VMSnapshot } from "@vivarium/api";
import type { VMMigration } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { ExportedDisk, VmIdentity } from "@vivarium/provider";
import { requestOf } from "../request-of.ts";
import { formatClonedDisks } from "../virtual-machine/resolve/cloned-disks.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { sourceOf } from "./migration-parts.ts";
import { openOf } from "./provider-move-parts.ts";
import type { ProviderMoveParts } from "./provider-move-parts.ts";
import { migrationLabel, targetKeyOf } from "./provider-move-target.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

/** Who owns the copies at the source while they wait to be sent. */
function stagingOf({ metadata }: VMMigration): VmIdentity {
  return { uid: metadata.uid ?? "", namespace: metadata.namespace ?? "default", name: metadata.name };
}

/** First whole copies at the source, of what the snapshot froze; then from there to the other side. */
export function startCopy(parts: ProviderMoveParts, object: VMMigration, { snapshot }: MigrationRecord): void {
  const { exports, snapshots } = parts;
  const [source, target] = [sourceOf(parts, object), parts.machines.get(targetKeyOf(object))];
  const frozen = snapshot && snapshots.get({ namespace: object.metadata.namespace ?? "", name: snapshot.name });
  const [from, to] = [source && openOf(parts, source), target && openOf(parts, target)];
  const staging = stagingOf(object);
  const timeoutMs = parseDuration(object.spec.options?.timeout ?? "4h");
  const message = `Cannot copy the disks: not done within ${Math.round(timeoutMs / 1000)} s`;
  exports.start(
    requestOf(object),
    async ({ signal, report }) => {
      const goal = to?.migration?.target;
      if (
        from?.clones === undefined ||
        from.migration === undefined ||
        goal === undefined ||
        source === undefined ||
        target === undefined
      ) {
        throw new ProviderError("Unavailable", "Cannot copy the disks: one of the Providers is not connected");
      }
      const vm = identityOf(source);
      const uid = frozen?.metadata.uid ?? "";
      await from.clones.create(staging, { method: "full", source: { kind: "snapshot", vm, uid } }, { signal });
      const isVerified = object.spec.options?.verifyChecksums !== false;
      return from.migration.exportDisks(
        staging,
        { target: goal, vm: identityOf(target), isVerified },
        { signal, onProgress: report },
      );
    },
    { timeoutMs, timeoutError: new ProviderError("Conflict", message) },
  );
}

/** From then on the new machine is made of them. */
export async function tellCopied(
  parts: ProviderMoveParts,
  object: VMMigration,
  { disks, signal }: { readonly disks: readonly ExportedDisk[]; readonly signal: AbortSignal },
): Promise<void> {
  const target = parts.machines.get(targetKeyOf(object));
  if (target === undefined) throw new ProviderError("Conflict", "The new VirtualMachine was deleted meanwhile");
  const { uid = "" } = target.metadata;
  const names = disks.map(({ name }) => name);
  const annotations = {
    [clonedDisksAnnotation]: formatClonedDisks(uid, names),
  };
  const spec = object.spec.target.powerOn === true ? { spec: { powerState: "On" } } : {};
  const patch = { metadata: { uid, annotations }, ...spec };
  await parts.manager.client.mergePatch(VirtualMachine, targetKeyOf(object), patch, { signal });
}

export async function cleanUp(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    record,
    keepsTarget,
    signal,
  }: { readonly record: MigrationRecord; readonly keepsTarget: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { client } = parts.manager;
  const source = sourceOf(parts, object);
  const target = parts.machines.get(targetKeyOf(object));
  const isOurs = target?.metadata.labels?.[migrationLabel] === object.metadata.uid;
  if (!keepsTarget && isOurs && object.spec.options?.cleanupPolicy !== "Never" && target !== undefined) {
    await client.delete(VirtualMachine, targetKeyOf(object), { uid: target.metadata.uid ?? "", signal });
  }
  const open = source && openOf(parts, source);
  if (record.snapshot !== undefined && open !== undefined) await open.disks.remove(stagingOf(object), { signal });
  if (record.snapshot?.isOurs === true) {
    const key = { namespace: object.metadata.namespace ?? "", name: record.snapshot.name };
    const found = parts.snapshots.get(key);
    if (found !== undefined && found.metadata.deletionTimestamp === undefined) {
      await client.delete(VMSnapshot, key, { uid: found.metadata.uid ?? "", signal });
    }
  }
  if (
    keepsTarget &&
    isOurs &&
    object.spec.source.deleteAfterMigration === true &&
    source?.metadata.uid === record.machine
  ) {
    const { namespace = "", name, uid = "", deletionTimestamp } = source?.metadata ?? { name: "" };
    if (deletionTimestamp === undefined) await client.delete(VirtualMachine, { namespace, name }, { uid, signal });
  }
}
