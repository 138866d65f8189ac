// Subresources that the composition root adds to a kind: a log to read, a console to connect to. The server knows only where
// they hang.

import type { Resource } from "./resource.ts";
import type { ApiObject } from "./stored-object.ts";
import type { ApiResponse, ObjectKey, UserInfo } from "@vivarium/api";

export interface SubresourceContext {
  /** The parent object; it exists. */
  readonly key: ObjectKey;
  readonly uid: string;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  /** Aborted when the caller goes away or the server closes. */
  readonly signal: AbortSignal;
}

/** Bytes in both directions. */
export interface ByteStream {
  /** What the other side sends; ends when it closes. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Sends to the other side; resolves when more may be sent. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Serves one WebSocket, which is closed when the promise settles. */
export type Connection = (socket: ByteStream) => Promise<void>;

export interface Subresource {
  readonly group: string;
  readonly plural: string;
  /** For example `console`. */
  readonly name: string;
  /** What is read and written there; the parent's kind when absent. */
  readonly responseKind?: { readonly group: string; readonly version: string; readonly kind: string };
  /** Answers POST; `decode` reads the body as an object of a kind. */
  create?(context: SubresourceContext, decode: (resource: Resource) => ApiObject): Promise<ApiResponse>;
  /** Answers GET. */
  get?(context: SubresourceContext): Promise<ApiResponse>;
  /** Prepares for one WebSocket: what is refused here is refused with an ordinary answer. Ended by the context's signal, if not before. */
  connect?(context: SubresourceContext): Promise<Connection>;
  /** Whether `NAMEtoken` beside it gives out tokens to connect with, for clients that cannot send headers. */
  readonly givesTokens?: boolean;
}

export class SubresourceTable {
  readonly #byPath: ReadonlyMap<string, Subresource>;

  constructor(subresources: readonly Subresource[]) {
    this.#byPath = new Map(subresources.map((each) => [`${each.group}/${each.plural}/${each.name}`, each]));
  }

  find(group: string, plural: string, name: string): Subresource | undefined {
    return this.#byPath.get(`${group}/${plural}/${name}`);
  }

  of(group: string, plural: string): readonly Subresource[] {
    return [...this.#byPath.values()].filter((each) => each.group === group && each.plural === plural);
  }
}
