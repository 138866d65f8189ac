// What a caller of the API holds. Two transports stand behind it: HTTPS by kubeconfig, and in-process.

import type { ApiResponse, KubeObject, ObjectKey, ResourceType } from "@vivarium/api";
import type { ByteStream, TransportRequest } from "./transport.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListResult<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WriteOptions extends CallOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly fieldValidation?: "Strict" | "Warn" | "Ignore";
  /** Receives the `Warning` headers of the answer. */
  readonly onWarning?: (message: string) => void;
}

/** All methods throw StatusError for an answer that is not a success, and ConnectionError when there was none. */
export interface Client {
  get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T>;
  list<T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<ListResult<T>>;
  /** Ends when the signal aborts, or when the server ends it (resume from the last resourceVersion); throws Expired (410) when that is too old: list again. */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions & { readonly resourceVersion: string; readonly timeoutSeconds?: number },
  ): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Replaces; Conflict when the resourceVersion is not the current one. */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  /** RFC 7386 merge patch. */
  mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: object,
    options?: WriteOptions & { readonly subresource?: "status" },
  ): Promise<T>;
  /** Returns when the deletion is accepted; finalizers may hold the object longer. */
  delete(
    type: ResourceType,
    key: ObjectKey,
    options?: CallOptions & { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void>;
}

/** A client with what lies beside the objects: raw requests, logs, consoles. */
export interface ApiClient extends Client {
  /** Any request; throws like the others. */
  send(request: TransportRequest): Promise<ApiResponse>;
  /** The `log` subresource: what the serial console has printed, then (`follow`) what it prints. */
  openLog(
    type: ResourceType,
    key: ObjectKey,
    options?: CallOptions & { readonly tailBytes?: number; readonly follow?: boolean },
  ): Promise<AsyncIterable<Uint8Array>>;
  /** The `file` subresource: the bytes of a file that was made, from this one on. */
  openFile(
    type: ResourceType,
    key: ObjectKey,
    options?: CallOptions & { readonly fromByte?: number },
  ): Promise<AsyncIterable<Uint8Array>>;
  /** The `console` subresource, a WebSocket whose binary messages are the serial console's bytes. */
  openConsole(type: ResourceType, key: ObjectKey, options?: CallOptions): Promise<ByteStream>;
  /** The `vnc` subresource, a WebSocket whose binary messages are RFB, as VNC viewers speak it. */
  openScreen(type: ResourceType, key: ObjectKey, options?: CallOptions): Promise<ByteStream>;
  /** A token that opens `openScreen`'s WebSocket once, as `?token=`, for a client that cannot send headers. */
  screenToken(type: ResourceType, key: ObjectKey, options?: CallOptions): Promise<string>;
  /** The `screenshot` subresource: a PNG file. */
  screenshot(type: ResourceType, key: ObjectKey, options?: CallOptions): Promise<Uint8Array>;
  /** Closes idle connections. */
  close(): Promise<void>;
}
