// The seam between the verbs and field management: how a write decides who owns the fields of what it writes.

import type { Target } from "../input/target.ts";
import { timestamp } from "../meta/timestamp.ts";
import type { RequestContext } from "../request-context.ts";
import type { ApiObject } from "../stored-object.ts";
import type { ManagedFieldsEntry } from "./managed-fields.ts";
import { managerName } from "./manager-name.ts";
import { trackWrite, type Writer } from "./track-write.ts";

/** The write of one object, complete but for its managedFields. */
interface Write {
  readonly object: ApiObject;
  /** What is stored; absent at create. */
  readonly old: ApiObject | undefined;
  /** managedFields as the caller sent them. */
  readonly given: readonly unknown[] | undefined;
}

export type Ownership = (write: Write) => readonly ManagedFieldsEntry[];

/** The ownership of every request but server-side apply. */
export function requestOwnership(context: RequestContext, target: Target): Ownership {
  return ownershipOf(writerOf(context, target, managerName(context.request)), target);
}

/** The ownership of what the server itself writes. */
export function serverOwnership(now: Date, target: Target): Ownership {
  return ownershipOf(writerOf({ now }, target, "vivarium"), target);
}

export function writerOf(
  { now }: Pick<RequestContext, "now">,
  { resource, subresource }: Target,
  manager: string,
): Writer {
  return {
    manager,
    apiVersion: resource.apiVersion,
    time: timestamp(now),
    ...(subresource !== undefined && { subresource }),
  };
}

function ownershipOf(writer: Writer, { resource: { schema } }: Target): Ownership {
  return (write) => trackWrite({ ...write, schema, writer });
}

/** Changes `object`. */
export function setOwners(object: ApiObject, entries: readonly ManagedFieldsEntry[]): ApiObject {
  if (entries.length === 0) delete object.metadata.managedFields;
  else object.metadata.managedFields = [...entries];
  return object;
}
