// A real HTTP server on loopback for tests of downloads. Each request is answered by the next behaviour of a list; the last repeats.

import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

export interface SeenRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface ImageServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  behave(...behaviours: readonly Behaviour[]): void;
}

export async function startImageServer(): Promise<ImageServer> {
  const requests: SeenRequest[] = [];
  let behaviours: readonly Behaviour[] = [];
  let next = 0;
  const server = createServer((request, response) => {
    requests.push({ url: request.url ?? "", headers: request.headers });
    const behaviour = behaviours[Math.min(next, behaviours.length - 1)];
    next += 1;
    behaviour?.(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    behave: (...list) => {
      behaviours = list;
      next = 0;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface ServedFile {
  readonly content: Buffer;
  readonly etag?: string;
  /** Answer 200 with all of it whatever is asked. */
  readonly ignoresRange?: boolean;
  /** End the connection after so many bytes of the file. */
  readonly cutAtByte?: number;
}

export function serves(file: ServedFile): Behaviour {
  return (request, response) => {
    const { content, etag } = file;
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
    const condition = request.headers["if-range"];
    const isResumed =
      range !== undefined && file.ignoresRange !== true && (condition === undefined || condition === etag);
    const start = isResumed ? Number(range) : 0;
    if (start >= content.length && isResumed) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    response.writeHead(isResumed ? 206 : 200, {
      "content-length": content.length - start,
      ...(etag !== undefined && { etag }),
      ...(isResumed && { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    if (file.cutAtByte === undefined) {
      response.end(content.subarray(start));
      return;
    }
    // An orderly end, so that all bytes before it arrive.
    response.write(content.subarray(start, Math.max(start, file.cutAtByte)), () => response.socket?.end());
    response.flushHeaders();
  };
}

export function answers(status: number, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return (_, response) => void response.writeHead(status, headers).end("answer");
}
