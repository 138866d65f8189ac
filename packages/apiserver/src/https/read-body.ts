// Reads a request body, and stops reading when it is too large.

import type { IncomingMessage } from "node:http";
import { StatusError } from "@vivarium/api";
import { maxBodyBytes } from "../input/parse-body.ts";

const nothing = new Uint8Array();

/** By events: an async iterator over a body of one chunk costs more than the rest of its request. */
export function readBody(incoming: IncomingMessage): Uint8Array | Promise<Uint8Array> {
  const { "content-length": length, "transfer-encoding": encoding } = incoming.headers;
  if (encoding === undefined && Number(length ?? 0) === 0) return nothing;
  if (Number(length ?? 0) > maxBodyBytes) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isEnded = false;
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBodyBytes) return;
      chunks.length = 0;
      incoming.pause();
      reject(tooLarge());
    });
    incoming.on("end", () => {
      isEnded = true;
      resolve(chunks.length === 1 ? (chunks[0] ?? nothing) : Buffer.concat(chunks));
    });
    incoming.on("error", reject);
    incoming.on("close", () => {
      // Every request is closed at last: an error for each of them would cost more than reading them.
      if (!isEnded) reject(new Error("the client went away before it had sent its request"));
    });
  });
}

function tooLarge(): StatusError {
  return new StatusError("RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`);
}
