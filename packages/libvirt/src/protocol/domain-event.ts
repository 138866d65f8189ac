// Domain events: what to register for, and how each message reads. Each message starts with the id of its registration.

import { int, mapped, optional, string, struct, uhyper } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import type { EventKind } from "./object-event.ts";
import { remote } from "./procedure.ts";
import { typedParams, valuesOf } from "./typed-param.ts";
import type { TypedParam, TypedValues } from "./typed-param.ts";

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
  | { readonly kind: "device-added"; readonly domain: Domain; readonly alias: string }
  | { readonly kind: "device-removed"; readonly domain: Domain; readonly alias: string }
  /** The guest has refused to let it go. */
  | { readonly kind: "device-removal-failed"; readonly domain: Domain; readonly alias: string }
  /** `action` is of WatchdogAction. */
  | { readonly kind: "watchdog"; readonly domain: Domain; readonly action: number }
  | {
      readonly kind: "io-error";
      readonly domain: Domain;
      /** Of the disk's source. */
      readonly path: string;
      readonly alias: string;
      /** IoErrorAction. */
      readonly action: number;
      /** `enospc`, or empty. */
      readonly reason: string;
    }
  | { readonly kind: "balloon"; readonly domain: Domain; readonly actualBytes: number }
  /** One more pass over the memory has begun. */
  | { readonly kind: "migration-iteration"; readonly domain: Domain; readonly iteration: number }
  /** `values` are those of `domainGetJobStats` of a completed job. */
  | { readonly kind: "job-completed"; readonly domain: Domain; readonly values: TypedValues }
  /** `type` is of DomainMetadataType, `uri` of the element's name space. */
  | { readonly kind: "metadata"; readonly domain: Domain; readonly type: number; readonly uri: string | undefined }
  | {
      readonly kind: "block-threshold";
      readonly domain: Domain;
      readonly device: string;
      readonly path: string | undefined;
      readonly thresholdBytes: number;
      readonly excessBytes: number;
    }
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
const kib = 1024;
const jobStatsMax = 256;

export const domainEventKinds: readonly EventKind<DomainEvent>[] = [
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
  {
    eventId: 3,
    procedure: 321,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; action: number }>({ callbackId: int, domain, action: int }),
      ({ domain, action }): DomainEvent => ({ kind: "watchdog", domain, action }),
    ),
  },
  {
    eventId: 6,
    procedure: 324,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; path: string; alias: string; action: number; reason: string }>({
        callbackId: int,
        domain,
        path: string,
        alias: string,
        action: int,
        reason: string,
      }),
      ({ domain, path, alias, action, reason }): DomainEvent => ({
        kind: "io-error",
        domain,
        path,
        alias,
        action,
        reason,
      }),
    ),
  },
  {
    eventId: 13,
    procedure: 331,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; actualKib: number }>({ callbackId: int, domain, actualKib: uhyper }),
      ({ domain, actualKib }): DomainEvent => ({ kind: "balloon", domain, actualBytes: actualKib * kib }),
    ),
  },
  {
    eventId: 19,
    procedure: 354,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; alias: string }>({ callbackId: int, domain, alias: string }),
      ({ domain, alias }): DomainEvent => ({ kind: "device-added", domain, alias }),
    ),
  },
  {
    eventId: 20,
    procedure: 359,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; iteration: number }>({ callbackId: int, domain, iteration: int }),
      ({ domain, iteration }): DomainEvent => ({ kind: "migration-iteration", domain, iteration }),
    ),
  },
  {
    eventId: 21,
    procedure: 363,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; params: readonly TypedParam[] }>({
        callbackId: int,
        domain,
        params: typedParams(jobStatsMax),
      }),
      ({ domain, params }): DomainEvent => ({ kind: "job-completed", domain, values: valuesOf(params) }),
    ),
  },
  {
    eventId: 22,
    procedure: 367,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; alias: string }>({ callbackId: int, domain, alias: string }),
      ({ domain, alias }): DomainEvent => ({ kind: "device-removal-failed", domain, alias }),
    ),
  },
  {
    eventId: 23,
    procedure: 379,
    codec: mapped(
      struct<{ callbackId: number; domain: Domain; type: number; uri: string | undefined }>({
        callbackId: int,
        domain,
        type: int,
        uri: optional(string),
      }),
      ({ domain, type, uri }): DomainEvent => ({ kind: "metadata", domain, type, uri }),
    ),
  },
  {
    eventId: 24,
    procedure: 385,
    codec: mapped(
      struct<{
        callbackId: number;
        domain: Domain;
        device: string;
        path: string | undefined;
        thresholdBytes: number;
        excessBytes: number;
      }>({
        callbackId: int,
        domain,
        device: string,
        path: optional(string),
        thresholdBytes: uhyper,
        excessBytes: uhyper,
      }),
      ({ domain, device, path, thresholdBytes, excessBytes }): DomainEvent => ({
        kind: "block-threshold",
        domain,
        device,
        path,
        thresholdBytes,
        excessBytes,
      }),
    ),
  },
];
