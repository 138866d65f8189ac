// Reads a request body, and stops reading when it is too large.

import type { IncomingMessage } from "node:http";
import { StatusError } from "@vivarium/api";
import { maxBodyBytes } from "../input/parse-body.ts";

export async function readBody(incoming: IncomingMessage): Promise<Uint8Array> {
  if (Number(incoming.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): StatusError {
  return new StatusError("RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`);
}
