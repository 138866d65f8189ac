// One message of libvirt's RPC: a length word that counts itself, a header of six words, a payload.
// https://libvirt.org/kbase/internals/rpc.html

import { LibvirtProtocolError } from "../errors/protocol-error.ts";

export const MessageType = { CALL: 0, REPLY: 1, MESSAGE: 2, STREAM: 3, STREAM_HOLE: 6 } as const;
export const MessageStatus = { OK: 0, ERROR: 1, CONTINUE: 2 } as const;

export interface MessageHeader {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
}

export interface Message extends MessageHeader {
  /** A view into the received bytes. */
  readonly payload: Buffer;
}

export const headerBytes = 28;

/** libvirt's own limit (VIR_NET_MESSAGE_MAX), without the length word. */
export const maxMessageBytes = 32 * 1024 * 1024;

/** Length word and header for a payload of `payloadBytes`, which follows on the wire. */
export function encodeHeader(header: MessageHeader, payloadBytes: number): Buffer {
  const length = headerBytes + payloadBytes;
  if (length - 4 > maxMessageBytes) {
    throw new LibvirtProtocolError(`Cannot send a message of ${length} bytes: libvirt takes ${maxMessageBytes}`);
  }
  const bytes = Buffer.allocUnsafe(headerBytes);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(header.program, 4);
  bytes.writeUInt32BE(header.version, 8);
  bytes.writeInt32BE(header.procedure, 12);
  bytes.writeUInt32BE(header.type, 16);
  bytes.writeUInt32BE(header.serial, 20);
  bytes.writeUInt32BE(header.status, 24);
  return bytes;
}

export function encodeMessage(header: MessageHeader, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(header, payload.length), payload]);
}

/** `frame` is a whole message with its length word. */
export function decodeMessage(frame: Buffer): Message {
  if (frame.length < headerBytes || frame.readUInt32BE(0) !== frame.length) {
    throw new LibvirtProtocolError(
      `Cannot decode a message of libvirt: ${frame.length} bytes are not one whole message`,
    );
  }
  return {
    program: frame.readUInt32BE(4),
    version: frame.readUInt32BE(8),
    procedure: frame.readInt32BE(12),
    type: frame.readUInt32BE(16),
    serial: frame.readUInt32BE(20),
    status: frame.readUInt32BE(24),
    payload: frame.subarray(headerBytes),
  };
}
