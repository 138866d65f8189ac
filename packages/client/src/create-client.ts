// The client over any transport: turns typed calls into requests, and answers into objects or errors.

import { apiVersionOf, StatusError } from "@vivarium/api";
import type { ApiResponse, KubeObject, ResourceType, Status } from "@vivarium/api";
import type { ApiClient, CallOptions, ListOptions, WatchEvent, WriteOptions } from "./client.ts";
import { ConnectionError } from "./connection-error.ts";
import { resourcePath } from "./resource-path.ts";
import type { ByteStream, Transport, TransportRequest } from "./transport.ts";
import { warningsOf } from "./warnings.ts";
import { watchEvents } from "./watch-stream.ts";

const json = "application/json";
const mergePatchJson = "application/merge-patch+json";
const nothing = new Uint8Array(0);

/** `userAgent` is who owns the fields that are written without a fieldManager, and who audit logs name. */
export function createClient(transport: Transport, { userAgent = "vivarium" } = {}): ApiClient {
  async function send(request: TransportRequest): Promise<ApiResponse> {
    const response = await transport.send({ ...request, headers: { "user-agent": userAgent, ...request.headers } });
    if (response.status < 200 || response.status > 299) throw await errorOf(request, response);
    return response;
  }

  async function read<T>(path: string, query: URLSearchParams, options: CallOptions): Promise<T> {
    const request: TransportRequest = {
      method: "GET",
      path,
      query,
      headers: { accept: json },
      body: nothing,
      ...signalOf(options),
    };
    return parse<T>(request, await send(request));
  }

  async function write<T extends KubeObject>(
    method: "POST" | "PUT" | "PATCH",
    path: string,
    content: { readonly body: object; readonly contentType?: string },
    options: WriteOptions,
  ): Promise<T> {
    const request: TransportRequest = {
      method,
      path,
      query: writeQuery(options),
      headers: { accept: json, "content-type": content.contentType ?? json },
      body: Buffer.from(JSON.stringify(content.body)),
      ...signalOf(options),
    };
    const response = await send(request);
    if (options.onWarning !== undefined) for (const message of warningsOf(response)) options.onWarning(message);
    return parse<T>(request, response);
  }

  async function openSocket(path: string, options: CallOptions = {}): Promise<ByteStream> {
    if (transport.openSocket === undefined)
      throw new ConnectionError("Unsupported", `Cannot open ${path}: this client has no socket`);
    return transport.openSocket(path, new URLSearchParams(), signalOf(options));
  }

  async function openStream(
    path: string,
    query: URLSearchParams,
    options: CallOptions,
  ): Promise<AsyncIterable<Uint8Array>> {
    const headers = { accept: "*/*" };
    return chunksOf(
      await send({ method: "GET", path, query, headers, body: nothing, isStream: true, ...signalOf(options) }),
    );
  }

  async function* watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions & { readonly resourceVersion: string; readonly timeoutSeconds?: number },
  ): AsyncGenerator<WatchEvent<T>> {
    const query = listQuery(options);
    query.set("watch", "true");
    query.set("allowWatchBookmarks", "true");
    query.set("resourceVersion", options.resourceVersion);
    if (options.timeoutSeconds !== undefined) query.set("timeoutSeconds", String(options.timeoutSeconds));
    const path = resourcePath(type, options);
    try {
      const headers = { accept: json };
      const response = await send({
        method: "GET",
        path,
        query,
        headers,
        body: nothing,
        isStream: true,
        ...signalOf(options),
      });
      yield* watchEvents<T>(chunksOf(response));
    } catch (error) {
      if (options.signal?.aborted !== true) throw error;
    }
  }

  return {
    get: (type, key, options = {}) => read(resourcePath(type, key), new URLSearchParams(), options),
    async list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions = {}) {
      const list = await read<{ items?: T[]; metadata: { resourceVersion: string } }>(
        resourcePath(type, options),
        listQuery(options),
        options,
      );
      // Items of a list need not repeat their kind; objects that the client hands out always have it.
      const items = (list.items ?? []).map((item) => ({ ...item, apiVersion: apiVersionOf(type), kind: type.kind }));
      return { items, resourceVersion: list.metadata.resourceVersion };
    },
    watch,
    create: (type, object, options = {}) =>
      write("POST", resourcePath(type, namespaceOf(object)), { body: object }, options),
    update: (type, object, options = {}) =>
      write("PUT", resourcePath(type, object.metadata), { body: object }, options),
    updateStatus: (type, object, options = {}) =>
      write("PUT", resourcePath(type, { ...object.metadata, subresource: "status" }), { body: object }, options),
    mergePatch(type, key, patch, options = {}) {
      const { subresource } = options;
      const path = resourcePath(type, { ...key, ...(subresource === undefined ? {} : { subresource }) });
      return write("PATCH", path, { body: patch, contentType: mergePatchJson }, options);
    },
    async delete(type, key, options = {}) {
      const { uid, resourceVersion } = options;
      const preconditions = {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      };
      const body = { kind: "DeleteOptions", apiVersion: "v1", preconditions };
      await collect(
        await send({
          method: "DELETE",
          path: resourcePath(type, key),
          query: new URLSearchParams(),
          headers: { accept: json, "content-type": json },
          body: Buffer.from(JSON.stringify(body)),
          ...signalOf(options),
        }),
      );
    },
    send,
    async openLog(type, key, options = {}) {
      const query = new URLSearchParams();
      if (options.tailBytes !== undefined) query.set("tailBytes", String(options.tailBytes));
      if (options.follow === true) query.set("follow", "true");
      return openStream(resourcePath(type, { ...key, subresource: "log" }), query, options);
    },
    openFile(type, key, options = {}) {
      const query = new URLSearchParams(options.fromByte === undefined ? {} : { fromByte: String(options.fromByte) });
      return openStream(resourcePath(type, { ...key, subresource: "file" }), query, options);
    },
    openConsole: (type, key, options) => openSocket(resourcePath(type, { ...key, subresource: "console" }), options),
    openScreen: (type, key, options) => openSocket(resourcePath(type, { ...key, subresource: "vnc" }), options),
    async screenToken(type, key, options = {}) {
      const request: TransportRequest = {
        method: "POST",
        path: resourcePath(type, { ...key, subresource: "vnctoken" }),
        query: new URLSearchParams(),
        headers: { accept: json, "content-type": json },
        body: Buffer.from(JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} })),
        ...signalOf(options),
      };
      return (await parse<{ status: { token: string } }>(request, await send(request))).status.token;
    },
    async screenshot(type, key, options = {}) {
      const path = resourcePath(type, { ...key, subresource: "screenshot" });
      const request = { method: "GET", path, headers: { accept: "image/png" } } as const;
      return collect(await send({ ...request, query: new URLSearchParams(), body: nothing, ...signalOf(options) }));
    },
    close: () => transport.close(),
  };
}

function signalOf(options: CallOptions): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function namespaceOf(object: KubeObject): { namespace?: string } {
  return object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace };
}

function listQuery(options: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
  return query;
}

function writeQuery(options: WriteOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.fieldManager !== undefined) query.set("fieldManager", options.fieldManager);
  if (options.dryRun === true) query.set("dryRun", "All");
  if (options.fieldValidation !== undefined) query.set("fieldValidation", options.fieldValidation);
  return query;
}

async function errorOf(request: TransportRequest, response: ApiResponse): Promise<Error> {
  const text = Buffer.from(await collect(response)).toString("utf8");
  try {
    const status = JSON.parse(text) as Partial<Status>;
    if (status.kind === "Status") return StatusError.fromStatus({ ...status, code: status.code ?? response.status });
  } catch {
    // Not JSON: a proxy's page, or a cut answer. The HTTP code below is all there is to tell.
  }
  const found = text.trim().slice(0, 200);
  return StatusError.fromStatus({
    code: response.status,
    message: `${request.method} ${request.path} answered HTTP ${response.status}${found === "" ? "" : `: ${found}`}`,
  });
}

async function parse<T>(request: TransportRequest, response: ApiResponse): Promise<T> {
  const text = Buffer.from(await collect(response)).toString("utf8");
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new ConnectionError("Protocol", `Cannot read the answer to ${request.method} ${request.path}: not JSON`, {
      cause: error,
    });
  }
}

async function collect(response: ApiResponse): Promise<Uint8Array> {
  if (response.body instanceof Uint8Array) return response.body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* chunksOf(response: ApiResponse): AsyncGenerator<Uint8Array> {
  if (response.body instanceof Uint8Array) yield response.body;
  else yield* response.body;
}
