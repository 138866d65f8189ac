// Which requests the audit log tells, and how much of them: every change, every connection to a guest, and everything that was refused.

import type { ApiResponse, StatusError } from "@vivarium/api";
import type { Attributes } from "../authorization/attributes.ts";
import { auditLine, type AuditLevel } from "./audit-event.ts";
import type { AuditTrail } from "./audit-trail.ts";

/** Where the lines go. */
export interface AuditSink {
  /** Undefined when there is room; else resolves when there is. Throws StatusError when the log cannot be written. */
  room(): Promise<void> | undefined;
  /** The line has its end. */
  write(line: Uint8Array): void;
}

export interface AuditOptions {
  readonly sink: AuditSink;
  /** The most that is told. Default `Request`. */
  readonly level?: AuditLevel;
}

/** Resources whose contents are nobody's business, or only noise. */
const metadataOnly: ReadonlySet<string> = new Set([
  "/secrets",
  "/configmaps",
  "/events",
  "events.k8s.io/events",
  "coordination.k8s.io/leases",
  "authentication.k8s.io/tokenreviews",
]);
const headBytes = 512;

export class AuditLog {
  readonly #sink: AuditSink;
  readonly #level: AuditLevel;
  readonly #now: () => Date;

  constructor({ sink, level = "Request" }: AuditOptions, now: () => Date) {
    this.#sink = sink;
    this.#level = level;
    this.#now = now;
  }

  /** To be waited for before a change is made: nothing is changed that could not be told. */
  room(trail: AuditTrail): Promise<void> | undefined {
    return trail.request.method === "GET" ? undefined : this.#sink.room();
  }

  answered(trail: AuditTrail, { status: code, body }: ApiResponse): void {
    if (trail.request.method === "GET") return;
    const head = body instanceof Uint8Array ? Buffer.from(body.subarray(0, headBytes)).toString("latin1") : "";
    this.#write(trail, { code, head });
  }

  failed(trail: AuditTrail, error: StatusError): void {
    const isRefused = error.reason === "Forbidden" || error.reason === "Unauthorized";
    if (trail.request.method === "GET" && !isRefused) return;
    this.#write(trail, { code: error.code, error });
  }

  /** A connection to a subresource was opened. */
  connected(trail: AuditTrail): void {
    this.#write(trail, { code: 101 });
  }

  #write(trail: AuditTrail, outcome: { readonly code: number; readonly head?: string; readonly error?: StatusError }) {
    this.#sink.write(auditLine(trail, { ...outcome, endedAt: this.#now() }, this.#levelOf(trail)));
  }

  #levelOf({ request, attributes }: AuditTrail): AuditLevel {
    // Requests without an address come from the server itself; what they send is seen in the objects.
    if (this.#level === "Metadata" || request.sourceIp === undefined) return "Metadata";
    return attributes === undefined || isConfidential(attributes) ? "Metadata" : "Request";
  }
}

function isConfidential(attributes: Attributes): boolean {
  if (attributes.type === "path" || attributes.subresource === "token") return true;
  return metadataOnly.has(`${attributes.group}/${attributes.resource}`);
}
