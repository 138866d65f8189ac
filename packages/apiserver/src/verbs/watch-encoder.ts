// Watch events as lines of JSON, in the form that the watcher asked for.

import { StatusError } from "@vivarium/api";
import type { KeyValue, StoreEvent } from "@vivarium/store";
import type { OutputForm } from "../output/negotiate.ts";
import { share } from "../output/shared-bytes.ts";
import { toPartial, toTable, type IncludeObject } from "../output/table.ts";
import type { Resource } from "../resource.ts";
import { decodeStored, presentStored, type ApiObject } from "../stored-object.ts";

export type WatchEventType = "ADDED" | "MODIFIED" | "DELETED";

interface Line {
  readonly resource: Resource;
  readonly type: WatchEventType;
  readonly bytes: Uint8Array;
}

/** Many watchers of one kind get the same line: made once per event, gone with the event. */
const lines = new WeakMap<StoreEvent, Line>();

export class WatchEncoder {
  readonly #resource: Resource;
  readonly #form: OutputForm;
  readonly #includeObject: IncludeObject;
  #hasSentHeaders = false;

  constructor(resource: Resource, options: { readonly form: OutputForm; readonly includeObject: IncludeObject }) {
    this.#resource = resource;
    this.#form = options.form;
    this.#includeObject = options.includeObject;
  }

  decode(kv: KeyValue): ApiObject {
    return decodeStored(kv, this.#resource);
  }

  /** `revision`: of the deletion. `event`: what the bytes may be shared under. */
  event(
    type: WatchEventType,
    kv: KeyValue,
    { now, event, revision }: { readonly now: Date; readonly event?: StoreEvent; readonly revision?: number },
  ): Uint8Array {
    if (this.#form.kind !== "table" && this.#form.kind !== "partial")
      return this.#shared(event, type, () => line(type, presentStored(kv, this.#resource, revision)));
    const object = this.decode(kv);
    if (revision !== undefined) object.metadata.resourceVersion = String(revision);
    return line(type, json(this.#form.kind === "partial" ? toPartial(object) : this.#table([object], object, now)));
  }

  bookmark(revision: number, options: { readonly isInitialEnd?: boolean } = {}): Uint8Array {
    const { kind, apiVersion } = this.#resource;
    const object = {
      kind,
      apiVersion,
      metadata: {
        name: "",
        resourceVersion: String(revision),
        ...(options.isInitialEnd === true && { annotations: { "k8s.io/initial-events-end": "true" } }),
      },
    };
    return line("BOOKMARK", json(this.#form.kind === "table" ? this.#table([], object, new Date(0)) : object));
  }

  error(error: unknown): Uint8Array {
    const status =
      error instanceof StatusError ? error : new StatusError("InternalError", "the watch failed", { cause: error });
    return line("ERROR", json(status.toStatus()));
  }

  /** With selectors one event may be several: a put that ends a match is a deletion, one that begins it an addition. */
  #shared(event: StoreEvent | undefined, type: WatchEventType, make: () => Uint8Array): Uint8Array {
    const known = event === undefined ? undefined : lines.get(event);
    if (known?.resource === this.#resource && known.type === type) return known.bytes;
    const bytes = share(make());
    if (event !== undefined && known === undefined) lines.set(event, { resource: this.#resource, type, bytes });
    return bytes;
  }

  #table(objects: readonly ApiObject[], about: ApiObject, now: Date): object {
    const withHeaders = !this.#hasSentHeaders;
    this.#hasSentHeaders = true;
    return toTable(this.#resource, objects, {
      includeObject: this.#includeObject,
      now,
      metadata: { resourceVersion: about.metadata.resourceVersion },
      withHeaders,
    });
  }
}

/** In memory of its own: lines are kept as long as their events, and would each hold what they share a pool with. */
function line(type: string, object: Uint8Array): Uint8Array {
  const head = `{"type":"${type}","object":`;
  const bytes = Buffer.allocUnsafeSlow(head.length + object.length + newline.length);
  bytes.write(head, "latin1");
  bytes.set(object, head.length);
  bytes.set(newline, head.length + object.length);
  return bytes;
}

const newline = Buffer.from("}\n");

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
