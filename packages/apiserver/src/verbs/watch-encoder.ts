// Watch events as lines of JSON, in the form that the watcher asked for.

import { StatusError } from "@vivarium/api";
import type { KeyValue, StoreEvent } from "@vivarium/store";
import type { OutputForm } from "../output/negotiate.ts";
import { toPartial, toTable, type IncludeObject } from "../output/table.ts";
import type { Resource } from "../resource.ts";
import { decodeStored, presentStored, type ApiObject } from "../stored-object.ts";

export type WatchEventType = "ADDED" | "MODIFIED" | "DELETED";

/** Many watchers of one kind get the same bytes: made once per event, gone with the event. */
const presented = new WeakMap<StoreEvent, { readonly resource: Resource; readonly bytes: Uint8Array }>();

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
      return line(type, this.#present(kv, event, revision));
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

  #present(kv: KeyValue, event: StoreEvent | undefined, revision: number | undefined): Uint8Array {
    const cached = event === undefined ? undefined : presented.get(event);
    // With selectors a put may also be a deletion, of the previous value: that is not what is cached.
    const isShared = event !== undefined && (event.type === "delete" || revision === undefined);
    if (isShared && cached?.resource === this.#resource) return cached.bytes;
    const bytes = presentStored(kv, this.#resource, revision);
    if (isShared) presented.set(event, { resource: this.#resource, bytes });
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

function line(type: string, object: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object, newline]);
}

const newline = Buffer.from("}\n");

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
