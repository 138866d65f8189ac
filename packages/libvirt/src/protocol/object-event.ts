// Events of networks, storage pools and the daemon itself: what to register for, and how each message reads.

import { int, mapped, optional, struct } from "../xdr/codec.ts";
import type { Codec } from "../xdr/codec.ts";
import { network, storagePool } from "./handles.ts";
import type { Network, StoragePool } from "./handles.ts";
import { remote } from "./procedure.ts";

export interface NetworkEvent {
  readonly kind: "lifecycle";
  readonly network: Network;
  readonly event: "defined" | "undefined" | "started" | "stopped" | "unknown";
}

export type StoragePoolEvent =
  | {
      readonly kind: "lifecycle";
      readonly pool: StoragePool;
      readonly event: "defined" | "undefined" | "started" | "stopped" | "created" | "deleted" | "unknown";
    }
  /** Its volumes were looked at again; they may be others than before. */
  | { readonly kind: "refresh"; readonly pool: StoragePool };

const callback = struct<{ callbackId: number }>({ callbackId: int });

export const networkEventRegister = remote(
  "connectNetworkEventRegisterAny",
  313,
  struct<{ eventId: number; network: Network | undefined }>({ eventId: int, network: optional(network) }),
  callback,
);
export const storagePoolEventRegister = remote(
  "connectStoragePoolEventRegisterAny",
  368,
  struct<{ eventId: number; pool: StoragePool | undefined }>({ eventId: int, pool: optional(storagePool) }),
  callback,
);

const networkEvents = ["defined", "undefined", "started", "stopped"] as const;
const poolEvents = ["defined", "undefined", "started", "stopped", "created", "deleted"] as const;

export interface EventKind<E> {
  /** To register with. */
  readonly eventId: number;
  /** Procedure number of the messages. */
  readonly procedure: number;
  readonly codec: Codec<E>;
}

export const networkEventKinds: readonly EventKind<NetworkEvent>[] = [
  {
    eventId: 0,
    procedure: 315,
    codec: mapped(
      struct<{ callbackId: number; network: Network; event: number; detail: number }>({
        callbackId: int,
        network,
        event: int,
        detail: int,
      }),
      ({ network, event }): NetworkEvent => ({ kind: "lifecycle", network, event: networkEvents[event] ?? "unknown" }),
    ),
  },
];

export const storagePoolEventKinds: readonly EventKind<StoragePoolEvent>[] = [
  {
    eventId: 0,
    procedure: 370,
    codec: mapped(
      struct<{ callbackId: number; pool: StoragePool; event: number; detail: number }>({
        callbackId: int,
        pool: storagePool,
        event: int,
        detail: int,
      }),
      ({ pool, event }): StoragePoolEvent => ({ kind: "lifecycle", pool, event: poolEvents[event] ?? "unknown" }),
    ),
  },
  {
    eventId: 1,
    procedure: 373,
    codec: mapped(
      struct<{ callbackId: number; pool: StoragePool }>({ callbackId: int, pool: storagePool }),
      ({ pool }): StoragePoolEvent => ({ kind: "refresh", pool }),
    ),
  },
];
