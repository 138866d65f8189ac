// A load generator: creates, reads, lists and watches over TLS connections of its own process.

import { serveTasks } from "./child.ts";
import { HttpConnection, type Address } from "./http-connection.ts";
import { monotonicMs, usage } from "./usage.ts";
import { nameOf, virtualMachineBody, writeDigits } from "./virtual-machine-body.ts";

export interface Load extends Address {
  readonly token: string;
  readonly namespace: string;
}

export interface Measured {
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly answerBytes: number;
}

const collection = (namespace: string): string =>
  `/apis/infra.virtrigaud.io/v1beta1/namespaces/${namespace}/virtualmachines`;

const watchers: HttpConnection[] = [];
/** Revision and time of each event of each watcher. */
let events: [revision: number, atMs: number][] = [];

export const loadTasks = {
  /** Objects `from` … `from + count - 1`. */
  async create(input: Load & { connections: number; from: number; count: number }): Promise<Measured> {
    const { namespace, from, count } = input;
    const { body, digitsAt } = virtualMachineBody(namespace);
    const head = headOf("POST", collection(namespace), input, body.length);
    let next = from;
    return measure(input, 201, () => {
      const request = Buffer.concat([head, body]);
      return () => {
        if (next >= from + count) return undefined;
        writeDigits(request, head.length + digitsAt, next++);
        return request;
      };
    });
  },

  async get(input: Load & { connections: number; objects: number; count: number }): Promise<Measured> {
    const { namespace, objects, count } = input;
    const path = `${collection(namespace)}/${nameOf(0)}`;
    const head = headOf("GET", path, input, 0);
    const digitsAt = head.indexOf(nameOf(0)) + nameOf(0).length - 8;
    let sent = 0;
    return measure(input, 200, () => {
      const request = Buffer.from(head);
      return () => {
        if (sent >= count) return undefined;
        writeDigits(request, digitsAt, (sent++ * 7919) % objects);
        return request;
      };
    });
  },

  async list(input: Load & { count: number; query: string }): Promise<Measured> {
    const request = headOf("GET", collection(input.namespace) + input.query, input, 0);
    let sent = 0;
    return measure({ ...input, connections: 1 }, 200, () => () => (sent++ < input.count ? request : undefined));
  },

  async namespace(input: Load): Promise<number> {
    const body = Buffer.from(
      JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: input.namespace } }),
    );
    const connection = await HttpConnection.open(input);
    const { status } = await connection.send(
      Buffer.concat([headOf("POST", "/api/v1/namespaces", input, body.length), body]),
    );
    connection.close();
    return status;
  },

  /** Opens connections that have done one request and are kept. */
  async idle(input: Load & { connections: number }): Promise<void> {
    const request = headOf("GET", "/livez", input, 0);
    for (let index = 0; index < input.connections; index++) {
      const connection = await HttpConnection.open(input);
      await connection.send(request);
      watchers.push(connection);
    }
  },

  /** Opens watches that begin now. */
  async watch(input: Load & { connections: number; resourceVersion: number }): Promise<void> {
    const path = `${collection(input.namespace)}?watch=true&allowWatchBookmarks=true&resourceVersion=${input.resourceVersion}`;
    const request = headOf("GET", path, input, 0);
    for (let index = 0; index < input.connections; index++) {
      const connection = await HttpConnection.open(input);
      watchers.push(connection);
      await new Promise<void>((resolve) => {
        const read = revisionReader((revision) => events.push([revision, monotonicMs()]));
        connection.stream(request, (chunk) => {
          resolve();
          read(chunk);
        });
      });
    }
  },

  async closeWatches(): Promise<void> {
    for (const connection of watchers.splice(0)) connection.close();
  },

  /** How long after its commit each watcher had each event. */
  latencies(commits: readonly (readonly [number, number])[]): {
    count: number;
    p50Ms: number;
    p99Ms: number;
    maxMs: number;
  } {
    const committed = new Map(commits);
    const latencies = events.flatMap(([revision, at]) => {
      const from = committed.get(revision);
      return from === undefined ? [] : [Math.max(0, at - from)];
    });
    events = [];
    return { count: latencies.length, ...percentiles(latencies) };
  },

  usage,
};

/** Calls back with the resourceVersion of each event; the mark may be cut by the border of two chunks. */
function revisionReader(onRevision: (revision: number) => void): (chunk: Buffer) => void {
  const mark = '"metadata":{"resourceVersion":"';
  let carry = "";
  return (chunk) => {
    const text = carry + chunk.toString("latin1");
    let from = 0;
    for (;;) {
      const at = text.indexOf(mark, from);
      const end = at < 0 ? -1 : text.indexOf('"', at + mark.length);
      if (end < 0) break;
      onRevision(Number(text.slice(at + mark.length, end)));
      from = end;
    }
    carry = text.slice(Math.max(from, text.length - mark.length - 20));
  };
}

function headOf(method: string, path: string, { token }: Load, length: number): Buffer {
  const body = method === "POST" ? `content-type: application/json\r\ncontent-length: ${length}\r\n` : "";
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\nuser-agent: vivarium-bench\r\naccept: application/json\r\n${body}\r\n`,
  );
}

/** `toRequests` is called once for each connection; what it gives is asked for requests until it has none. */
async function measure(
  input: Address & { readonly connections: number },
  wanted: number,
  toRequests: () => () => Buffer | undefined,
): Promise<Measured> {
  const connections = await Promise.all(Array.from({ length: input.connections }, () => HttpConnection.open(input)));
  const latencies: number[] = [];
  let answerBytes = 0;
  const from = monotonicMs();
  await Promise.all(
    connections.map(async (connection) => {
      const next = toRequests();
      for (let request = next(); request !== undefined; request = next()) {
        const sent = monotonicMs();
        const { status, bytes } = await connection.send(request);
        if (status !== wanted) throw new Error(`answered with ${status}, expected ${wanted}`);
        latencies.push(monotonicMs() - sent);
        answerBytes = bytes;
      }
    }),
  );
  const seconds = (monotonicMs() - from) / 1000;
  for (const connection of connections) connection.close();
  return {
    count: latencies.length,
    seconds: Math.round(seconds * 100) / 100,
    perSecond: Math.round(latencies.length / seconds),
    ...percentiles(latencies),
    answerBytes,
  };
}

function percentiles(values: readonly number[]): { p50Ms: number; p99Ms: number; maxMs: number } {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN) * 100) / 100;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

serveTasks(loadTasks);
