// The messages of etcd's v3 API that the store uses, as bytes and back. Only the fields that it uses are here; others are skipped when
// read. Numbers are those of https://github.com/etcd-io/etcd/blob/main/api/etcdserverpb/rpc.proto and mvccpb/kv.proto.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { KeyValue } from "../store.ts";

export interface RangeRequest {
  readonly key: string;
  /** The first key after the range; absent: the one key. */
  readonly end?: string;
  readonly limit?: number;
  readonly revision?: number;
  readonly countOnly?: boolean;
}

export interface RangeResponse {
  readonly revision: number;
  readonly items: readonly KeyValue[];
  readonly more: boolean;
  /** Keys of the range, those beyond the limit too. */
  readonly count: number;
}

export interface Put {
  readonly key: string;
  readonly value: Uint8Array;
}

export type Operation =
  | { readonly put: Put }
  | { readonly deleteKey: string }
  | { readonly deleteRange: { readonly key: string; readonly end: string } }
  | { readonly range: RangeRequest };

export interface TxnRequest {
  /** All keys must have this modRevision; 0: not exist. */
  readonly compare: readonly { readonly key: string; readonly modRevision: number }[];
  readonly success: readonly Operation[];
  readonly failure: readonly Operation[];
}

export interface TxnResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  /** What each operation found: the values before a put or delete, the items of a range. */
  readonly found: readonly (readonly KeyValue[])[];
}

export interface WatchRequest {
  readonly key: string;
  readonly end: string;
  readonly startRevision: number;
}

export interface WatchEvent {
  readonly isDelete: boolean;
  /** Of a deletion only key and modRevision mean something. */
  readonly current: KeyValue;
  readonly previous?: KeyValue;
}

export interface WatchResponse {
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Not 0: the watch began before it. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More of the same revisions follows. */
  readonly isFragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface Alarm {
  readonly type: number;
}

export const noSpaceAlarm = 1;

export function encodeRange(request: RangeRequest): Buffer {
  return finished(writeRange(new BinaryWriter(), request));
}

export function decodeRange(bytes: Uint8Array): RangeResponse {
  let revision = 0;
  let more = false;
  let count = 0;
  const items: KeyValue[] = [];
  read(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) revision = readHeader(reader);
    else if (field === 2) items.push(readKeyValue(reader));
    else if (field === 3) more = reader.bool();
    else if (field === 4) count = Number(reader.int64());
    else return false;
    return true;
  });
  return { revision, items, more, count };
}

const modTarget = 2;

export function encodeTxn(request: TxnRequest): Buffer {
  const writer = new BinaryWriter();
  for (const { key, modRevision } of request.compare) {
    const compare = new BinaryWriter().tag(2, WireType.Varint).int32(modTarget);
    compare.tag(3, WireType.LengthDelimited).bytes(keyBytes(key)).tag(6, WireType.Varint).int64(modRevision);
    writer.tag(1, WireType.LengthDelimited).bytes(compare.finish());
  }
  for (const operation of request.success) writer.tag(2, WireType.LengthDelimited).bytes(operationBytes(operation));
  for (const operation of request.failure) writer.tag(3, WireType.LengthDelimited).bytes(operationBytes(operation));
  return finished(writer);
}

export function decodeTxn(bytes: Uint8Array): TxnResponse {
  let revision = 0;
  let succeeded = false;
  const found: (readonly KeyValue[])[] = [];
  read(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) revision = readHeader(reader);
    else if (field === 2) succeeded = reader.bool();
    else if (field === 3) found.push(readOperationResponse(reader));
    else return false;
    return true;
  });
  return { revision, succeeded, found };
}

export function encodeCompact(revision: number): Buffer {
  return finished(new BinaryWriter().tag(1, WireType.Varint).int64(revision));
}

export function encodeWatch({ key, end, startRevision }: WatchRequest): Buffer {
  const create = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(keyBytes(key));
  create.tag(2, WireType.LengthDelimited).bytes(keyBytes(end)).tag(3, WireType.Varint).int64(startRevision);
  // progress_notify, prev_kv, fragment
  for (const field of [4, 6, 8]) create.tag(field, WireType.Varint).bool(true);
  return finished(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(create.finish()));
}

export function decodeWatch(bytes: Uint8Array): WatchResponse {
  const response = {
    revision: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    isFragment: false,
    events: [] as WatchEvent[],
  };
  read(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) response.revision = readHeader(reader);
    else if (field === 3) response.created = reader.bool();
    else if (field === 4) response.canceled = reader.bool();
    else if (field === 5) response.compactRevision = Number(reader.int64());
    else if (field === 6) response.cancelReason = reader.string();
    else if (field === 7) response.isFragment = reader.bool();
    else if (field === 11) response.events.push(readEvent(reader));
    else return false;
    return true;
  });
  return response;
}

export function encodeAuthenticate(user: { readonly name: string; readonly password: string }): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(user.name);
  return finished(writer.tag(2, WireType.LengthDelimited).string(user.password));
}

export function decodeAuthenticate(bytes: Uint8Array): string {
  let token = "";
  read(new BinaryReader(bytes), (field, reader) => {
    if (field !== 2) return false;
    token = reader.string();
    return true;
  });
  return token;
}

/** An AlarmRequest that asks which alarms there are: all its fields have their default values. */
export function encodeGetAlarms(): Buffer {
  return Buffer.alloc(0);
}

export function decodeAlarms(bytes: Uint8Array): readonly Alarm[] {
  const alarms: Alarm[] = [];
  read(new BinaryReader(bytes), (field, reader) => {
    if (field !== 2) return false;
    let type = 0;
    readNested(reader, (each, nested) => {
      if (each !== 2) return false;
      type = nested.int32();
      return true;
    });
    alarms.push({ type });
    return true;
  });
  return alarms;
}

export function ignoreResponse(): void {
  // That it came is all there is to know.
}

function writeRange(writer: BinaryWriter, request: RangeRequest): BinaryWriter {
  writer.tag(1, WireType.LengthDelimited).bytes(keyBytes(request.key));
  if (request.end !== undefined) writer.tag(2, WireType.LengthDelimited).bytes(keyBytes(request.end));
  if (request.limit !== undefined) writer.tag(3, WireType.Varint).int64(request.limit);
  if (request.revision !== undefined) writer.tag(4, WireType.Varint).int64(request.revision);
  if (request.countOnly === true) writer.tag(9, WireType.Varint).bool(true);
  return writer;
}

function operationBytes(operation: Operation): Uint8Array {
  const inner = new BinaryWriter();
  let field = 1;
  if ("put" in operation) {
    field = 2;
    inner.tag(1, WireType.LengthDelimited).bytes(keyBytes(operation.put.key));
    inner.tag(2, WireType.LengthDelimited).bytes(operation.put.value);
    inner.tag(4, WireType.Varint).bool(true);
  } else if ("deleteKey" in operation) {
    field = 3;
    inner.tag(1, WireType.LengthDelimited).bytes(keyBytes(operation.deleteKey)).tag(3, WireType.Varint).bool(true);
  } else if ("deleteRange" in operation) {
    field = 3;
    writeRange(inner, operation.deleteRange);
  } else {
    writeRange(inner, operation.range);
  }
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(inner.finish()).finish();
}

/** A ResponseOp: a range's kvs, a put's prev_kv and a deletion's prev_kvs all are repeated key-values to us. */
function readOperationResponse(outer: BinaryReader): readonly KeyValue[] {
  const found: KeyValue[] = [];
  readNested(outer, (kind, reader) => {
    const keyValues = kind === 3 ? 3 : 2;
    if (kind < 1 || kind > 3) return false;
    readNested(reader, (field, nested) => {
      if (field !== keyValues) return false;
      found.push(readKeyValue(nested));
      return true;
    });
    return true;
  });
  return found;
}

function readHeader(outer: BinaryReader): number {
  let revision = 0;
  readNested(outer, (field, reader) => {
    if (field !== 3) return false;
    revision = Number(reader.int64());
    return true;
  });
  return revision;
}

function readKeyValue(outer: BinaryReader): KeyValue {
  const kv = { key: "", value: noBytes, createRevision: 0, modRevision: 0, version: 0 };
  readNested(outer, (field, reader) => {
    if (field === 1) kv.key = Buffer.from(reader.bytes()).toString("latin1");
    else if (field === 2) kv.createRevision = Number(reader.int64());
    else if (field === 3) kv.modRevision = Number(reader.int64());
    else if (field === 4) kv.version = Number(reader.int64());
    // A copy: a view would keep the whole message in memory for as long as the value is.
    else if (field === 5) kv.value = reader.bytes().slice();
    else return false;
    return true;
  });
  return kv;
}

function readEvent(outer: BinaryReader): WatchEvent {
  let isDelete = false;
  let current: KeyValue | undefined;
  let previous: KeyValue | undefined;
  readNested(outer, (field, reader) => {
    if (field === 1) isDelete = reader.int32() === 1;
    else if (field === 2) current = readKeyValue(reader);
    else if (field === 3) previous = readKeyValue(reader);
    else return false;
    return true;
  });
  if (current === undefined) throw new Error("Cannot read an event of etcd: it has no key");
  return { isDelete, current, ...(previous !== undefined && { previous }) };
}

const noBytes = new Uint8Array(0);

/** Takes what it knows of a field and says so; what it does not know is skipped. */
type FieldReader = (field: number, reader: BinaryReader) => boolean;

function read(reader: BinaryReader, take: FieldReader, end = reader.len): void {
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) reader.skip(type, field);
  }
}

function readNested(reader: BinaryReader, take: FieldReader): void {
  const length = reader.uint32();
  read(reader, take, reader.pos + length);
}

function keyBytes(key: string): Uint8Array {
  return Buffer.from(key, "latin1");
}

function finished(writer: BinaryWriter): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
