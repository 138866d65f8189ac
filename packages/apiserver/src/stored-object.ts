// How objects lie in the store: JSON bytes that begin with apiVersion, kind and metadata, without a resourceVersion, because the
// revision is known only once the bytes are written. Readers get it spliced in, so that lists and watches need not parse.

import { StatusError, type KubeObject, type ObjectMeta } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import { sealingKeyOf } from "./encryption/encryption-keys.ts";
import type { Resource } from "./resource.ts";

/** An object of any kind. */
export interface ApiObject extends KubeObject {
  metadata: ObjectMeta;
  [field: string]: unknown;
}

const encoder = new TextEncoder();
const nothing = Buffer.alloc(0);
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
  const { key, value } = kv;
  assertOpen({ key, value }, resource);
  const stored = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as ApiObject;
  const object = resource.strategy.view?.fromStored(stored) ?? stored;
  object.apiVersion = resource.apiVersion;
  object.metadata.resourceVersion = String(kv.modRevision);
  return object;
}

/** The same as JSON bytes, without parsing but for views. `resourceVersion` is that of the last write, or of the deletion. */
export function presentStored(kv: KeyValue, resource: Resource, resourceVersion = kv.modRevision): Uint8Array {
  const { head, version, tail } = presentedParts(kv, resource, resourceVersion);
  const bytes = Buffer.allocUnsafe(head.length + version.length + tail.length);
  head.copy(bytes);
  bytes.write(version, head.length, "latin1");
  tail.copy(bytes, head.length + version.length);
  return bytes;
}

/** The pieces of which these bytes are made, without parsing but for views; `version` is ASCII. */
export function presentedParts(
  kv: KeyValue,
  resource: Resource,
  resourceVersion = kv.modRevision,
): { readonly head: Buffer; readonly version: string; readonly tail: Buffer } {
  const { value } = kv;
  assertOpen({ key: kv.key, value }, resource);
  if (resource.strategy.view !== undefined) {
    const object = decodeStored(kv, resource);
    object.metadata.resourceVersion = String(resourceVersion);
    return { head: nothing, version: "", tail: Buffer.from(JSON.stringify(object)) };
  }
  const stored = Buffer.from(value.buffer, value.byteOffset, value.length);
  // apiVersion and kind cannot contain the mark, so the first one is the object's own metadata.
  const at = stored.indexOf(metadataMark) + metadataMark.length;
  return { head: headOf(resource), version: `${resourceVersion}",`, tail: stored.subarray(at) };
}

const heads = new WeakMap<Resource, Buffer>();

/** Not the head that is stored: that is of the version which was the stored one when the object was written. */
function headOf(resource: Resource): Buffer {
  const known = heads.get(resource);
  if (known !== undefined) return known;
  const { apiVersion, kind } = resource;
  const head = Buffer.from(`{"apiVersion":"${apiVersion}","kind":"${kind}","metadata":{"resourceVersion":"`);
  heads.set(resource, head);
  return head;
}

/** A value that is still sealed here could not be opened (encryption/encrypted-store.ts). */
function assertOpen({ key, value }: Pick<KeyValue, "key" | "value">, resource: Resource): void {
  const sealedWith = sealingKeyOf(value);
  if (sealedWith === undefined) return;
  const name = key.slice(key.lastIndexOf("/") + 1);
  throw new StatusError(
    "InternalError",
    `${resource.qualifiedPlural} ${JSON.stringify(name)} is encrypted with the key ${JSON.stringify(sealedWith)} and cannot be decrypted: the key file lacks that key or has another one of this id, or the value is damaged`,
    { details: resource.detailsOf(name) },
  );
}
