// Domain events: what to register for, and how each message reads. Each message starts with the id of its registration.

import { int, mapped, optional, string, struct } from "../xdr/codec.ts";
import type { Codec } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { remote } from "./procedure.ts";

export type LifecycleEvent =
  | "defined"
  | "undefined"
  | "started"
  | "suspended"
  | "resumed"
  | "stopped"
  | "shutdown"
  | "pmsuspended"
  | "crashed";

export type DomainEvent =
  /** `detail` is of the DomainEventDetail table of the event, for example STOPPED_CRASHED. */
  | {
      readonly kind: "lifecycle";
      readonly domain: Domain;
      readonly event: LifecycleEvent | "unknown";
      readonly detail: number;
    }
  | { readonly kind: "reboot"; readonly domain: Domain }
  | { readonly kind: "agent"; readonly domain: Domain; readonly isConnected: boolean; readonly reason: number }
  | { readonly kind: "device-removed"; readonly domain: Domain; readonly alias: string }
  | {
      readonly kind: "block-job";
      readonly domain: Domain;
      /** Target of the disk, for example `vda`. */
      readonly disk: string;
      readonly type: number;
      readonly status: "completed" | "failed" | "canceled" | "ready" | "unknown";
    };

export const domainEventRegister = remote(
  "connectDomainEventCallbackRegisterAny",
  316,
  struct<{ eventId: number; domain: Domain | undefined }>({ eventId: int, domain: optional(domain) }),
  struct<{ callbackId: number }>({ callbackId: int }),
);

const lifecycleEvents: readonly LifecycleEvent[] = [
  "defined",
  "undefined",
  "started",
  "suspended",
  "resumed",
  "stopped",
  "shutdown",
  "pmsuspended",
  "crashed",
];
const blockJobStatuses = ["completed", "failed", "canceled", "ready"] as const;
const agentConnected = 1;

export interface DomainEventKind {
  /** virDomainEventID, to register with. */
  readonly eventId: number;
  /** Procedure number of the messages. */
  readonly procedure: number;
  readonly codec: Codec<DomainEvent>;
}

export const domainEventKinds: readonly DomainEventKind[] = [
  {
    eventId: 0,
    procedure: 318,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; event: number; detail: number }>({
        callbackId: int,
        domain,
        event: int,
        detail: int,
      }),
      ({ domain, event, detail }): DomainEvent => ({
        kind: "lifecycle",
        domain,
        event: lifecycleEvents[event] ?? "unknown",
        detail,
      }),
    ),
  },
  {
    eventId: 1,
    procedure: 319,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain }>({ callbackId: int, domain }),
      ({ domain }): DomainEvent => ({ kind: "reboot", domain }),
    ),
  },
  {
    eventId: 18,
    procedure: 348,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; state: number; reason: number }>({
        callbackId: int,
        domain,
        state: int,
        reason: int,
      }),
      ({ domain, state, reason }): DomainEvent => ({
        kind: "agent",
        domain,
        isConnected: state === agentConnected,
        reason,
      }),
    ),
  },
  {
    eventId: 15,
    procedure: 333,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; alias: string }>({ callbackId: int, domain, alias: string }),
      ({ domain, alias }): DomainEvent => ({ kind: "device-removed", domain, alias }),
    ),
  },
  {
    eventId: 16,
    procedure: 339,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; disk: string; type: number; status: number }>({
        callbackId: int,
        domain,
        disk: string,
        type: int,
        status: int,
      }),
      ({ domain, disk, type, status }): DomainEvent => ({
        kind: "block-job",
        domain,
        disk,
        type,
        status: blockJobStatuses[status] ?? "unknown",
      }),
    ),
  },
];
