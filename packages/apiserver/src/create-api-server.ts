// Puts the server together: store, kinds and subresources in, a handler for requests out. Transports and in-process callers use
// the same handler.

import type { ApiHandler, ApiRequest } from "@vivarium/api";
import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import { AdmissionChain } from "./admission/admission-chain.ts";
import type { AdmissionPlugin } from "./admission/admission-plugin.ts";
import type { CustomResourceDefinition } from "./custom-resource-definition.ts";
import { findConnect } from "./dispatch-resource.ts";
import { pathNotFound } from "./errors.ts";
import { parseResourcePath } from "./input/resource-path.ts";
import { NamespaceLifecycle } from "./namespace-lifecycle.ts";
import { ResourceRegistry } from "./resource-registry.ts";
import { createRouter, toStatusError } from "./router.ts";
import type { ServerState } from "./server-state.ts";
import { SubresourceTable, type ByteStream, type Subresource } from "./subresources.ts";

export interface ApiServerOptions {
  readonly store: Store;
  /** All kinds, the core ones too. */
  readonly resources: readonly CustomResourceDefinition[];
  readonly subresources?: readonly Subresource[];
  /** Asked about each write, in this order, after defaulting and validation. */
  readonly admission?: readonly AdmissionPlugin[];
  readonly logger: Logger;
  readonly clock?: () => Date;
}

/** Serves one connection; settles when it is over. */
export type Connection = (socket: ByteStream) => Promise<void>;

export interface ApiServer {
  readonly handle: ApiHandler;
  /** Finds the connect subresource that a request wants; throws StatusError when there is none. */
  connect(request: ApiRequest): Promise<Connection>;
  /** Ends all watches and connections. The store stays open. */
  close(): Promise<void>;
}

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, logger: log } = options;
  const now = options.clock ?? (() => new Date());
  const registry = new ResourceRegistry(options.resources);
  const namespaces = new NamespaceLifecycle({ store, log, resource: registry.find("", "v1", "namespaces") });
  const closing = new AbortController();
  const state: ServerState = {
    store,
    registry,
    namespaces,
    admission: new AdmissionChain(options.admission ?? []),
    log,
    now,
    subresources: new SubresourceTable(options.subresources ?? []),
    closing: closing.signal,
  };
  await namespaces.ensureFirst(now());
  const running = namespaces.run(state);
  return {
    handle: createRouter(state),
    async connect(request) {
      try {
        const path = parseResourcePath(request.path);
        if (path === undefined) throw pathNotFound();
        const found = await findConnect(state, { request, now: now(), warnings: [] }, path);
        return async (socket) => found.subresource.connect?.(found.context, socket);
      } catch (error) {
        throw toStatusError(state, request, error);
      }
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}
