// The contract of an admission plugin: asked about each write after defaulting and validation and before the store, it may refuse it,
// warn about it, or set something aside for it. Policies, quotas and whoever else has a say are plugins; the verbs know none of them.

import type { UserInfo } from "@vivarium/api";
import type { Resource } from "../resource.ts";
import type { ApiObject } from "../stored-object.ts";

export type AdmissionOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

/** What a plugin is interested in is decided by these alone, so that a write that concerns nobody costs nothing more. */
export interface AdmissionSubject {
  readonly operation: AdmissionOperation;
  readonly resource: Resource;
  /** `status`, `scale`, …; absent for the object itself. */
  readonly subresource?: string;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
}

export interface AdmissionRequest extends AdmissionSubject {
  readonly name: string;
  /** As it shall be written; absent at DELETE and CONNECT. Not to be changed. */
  readonly object?: ApiObject;
  /** As it is stored; present at UPDATE and DELETE. Not to be changed. */
  readonly oldObject?: ApiObject;
  readonly user: UserInfo;
  /** Then nothing may be set aside or remembered. */
  readonly isDryRun: boolean;
  /** Becomes `Warning` headers of the answer. */
  readonly warnings: string[];
  /** Becomes annotations of the request's line in the audit log. */
  readonly auditAnnotations: Map<string, string>;
}

/** `unknown`: the store failed, and may or may not have written. */
export type WriteOutcome = "written" | "unwritten" | "unknown";

/** Told once how the write ended that a plugin let pass. It must not throw. */
export type Settle = (outcome: WriteOutcome) => void;

export interface AdmissionPlugin {
  /** For the log and for people, for example `ResourceQuota`. */
  readonly name: string;
  /** Asked at every write, so it must be cheap. */
  isInterested(subject: AdmissionSubject): boolean;
  /** Throws StatusError to refuse. An attempt that meets another writer is asked about again, with the new old object. */
  admit(request: AdmissionRequest): Promise<Settle | undefined> | Settle | undefined;
}
