// What the processes of the fault test tell their parent, one JSON line each, in the moment it happens: a killed process has told all.

export type OperationKind = "put" | "delete" | "get" | "list";

/** Nanoseconds of the machine's monotonic clock, the same in all processes. */
type Instant = number;

export type Report =
  | { readonly type: "ready" }
  | {
      readonly type: "invoke";
      readonly id: string;
      readonly at: Instant;
      readonly kind: OperationKind;
      readonly key: string;
      /** Of a put; each value is written once at most. */
      readonly value?: string;
      readonly expected?: number;
    }
  /** A write that was made. */
  | { readonly type: "written"; readonly id: string; readonly at: Instant; readonly revision: number }
  /** A condition that was not met, or a read: what was found, 0 for nothing. */
  | { readonly type: "found"; readonly id: string; readonly at: Instant; readonly revision: number }
  | {
      readonly type: "listed";
      readonly id: string;
      readonly at: Instant;
      readonly revision: number;
      readonly items: readonly (readonly [key: string, revision: number])[];
    }
  /** The store says that nothing was written. */
  | { readonly type: "failed"; readonly id: string }
  /** The store does not know, as when the process is killed. */
  | { readonly type: "uncertain"; readonly id: string }
  | { readonly type: "watch"; readonly id: string; readonly prefix: string; readonly from: number }
  | { readonly type: "seen"; readonly id: string; readonly events: readonly SeenEvent[]; readonly bookmark: number }
  | { readonly type: "compacted"; readonly id: string };

export interface SeenEvent {
  readonly revision: number;
  readonly key: string;
  /** Absent: deleted. */
  readonly value?: string;
  /** modRevision of what was there before; 0 for nothing. */
  readonly previous: number;
}

/** The watch that everything is recorded with, over all lives of its process. */
export const recorderId = "recorder";
