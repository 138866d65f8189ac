// How objects lie in the store: JSON bytes that begin with apiVersion, kind and metadata, without a resourceVersion, because the
// revision is known only once the bytes are written. Readers get it spliced in, so that lists and watches need not parse.

import type { KubeObject, ObjectMeta } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import type { Resource } from "./resource.ts";

/** An object of any kind. */
export interface ApiObject extends KubeObject {
  metadata: ObjectMeta;
  [field: string]: unknown;
}

const encoder = new TextEncoder();
const metadataMark = Buffer.from('"metadata":{');

/** Bytes for the store. */
export function encodeStored(object: ApiObject, resource: Resource): Uint8Array {
  const stored = resource.strategy.view?.toStored(object) ?? object;
  const { apiVersion: _apiVersion, kind, metadata, ...rest } = stored;
  const { resourceVersion: _resourceVersion, ...storedMetadata } = metadata;
  return encoder.encode(
    JSON.stringify({ apiVersion: resource.storageApiVersion, kind, metadata: storedMetadata, ...rest }),
  );
}

/** The object with its resourceVersion, in the version of `resource`. */
export function decodeStored(kv: KeyValue, resource: Resource): ApiObject {
  const stored = JSON.parse(Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.length).toString()) as ApiObject;
  const object = resource.strategy.view?.fromStored(stored) ?? stored;
  object.apiVersion = resource.apiVersion;
  object.metadata.resourceVersion = String(kv.modRevision);
  return object;
}

/** The same as JSON bytes, without parsing but for views. `resourceVersion` is that of the last write, or of the deletion. */
export function presentStored(kv: KeyValue, resource: Resource, resourceVersion = kv.modRevision): Uint8Array {
  if (resource.strategy.view !== undefined) {
    const object = decodeStored(kv, resource);
    object.metadata.resourceVersion = String(resourceVersion);
    return encoder.encode(JSON.stringify(object));
  }
  const stored = Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.length);
  // apiVersion and kind cannot contain the mark, so the first one is the object's own metadata.
  const at = stored.indexOf(metadataMark) + metadataMark.length;
  // Not the head that is stored: that is of the version which was the stored one when the object was written.
  const head = Buffer.from(`{"apiVersion":"${resource.apiVersion}","kind":"${resource.kind}","metadata":{`);
  return Buffer.concat([head, Buffer.from(`"resourceVersion":"${resourceVersion}",`), stored.subarray(at)]);
}
