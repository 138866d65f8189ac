// The composition root: store, API server, controllers and providers become one process. The API answers first; what the controllers
// need is loaded after that, so that a client never waits for it.

import { isIP } from "node:net";
import { coreKinds, kinds, toCustomResourceDefinition, VirtualMachine, virtualMachineFinalizer } from "@vivarium/api";
import type { ApiHandler, ApiResponse } from "@vivarium/api";
import { createApiServer, listenHttps, type ApiServer, type HttpsListener } from "@vivarium/apiserver";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { CliUserError } from "../cli-error.ts";
import { makeStateDir, type StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";
import type { AccessChoice } from "./access-choice.ts";
import { openAuditFile } from "./audit-file.ts";
import { authenticationOf } from "./authentication.ts";
import { changeWarnings } from "./change-warnings.ts";
import { kubeconfigFor } from "./kubeconfig.ts";
import { deletionProtection } from "./deletion-protection.ts";
import { inUseProtection } from "./in-use-protection.ts";
import { exportSubresource } from "./export-subresource.ts";
import { guestSubresources } from "./guest-subresources.ts";
import { metricsSubresource } from "./metrics-subresource.ts";
import { openStore } from "./open-store.ts";
import { rotatePath, SecretEncryption } from "./secret-encryption.ts";
import { loadServerIdentity, type ServerIdentity } from "./server-identity.ts";
import { removeServerInfo, serverRuns, takeServerLock, writeServerInfo } from "./server-lock.ts";
import { sizeAdmission } from "./size-admission.ts";
import { usageEvaluators } from "./usage-evaluators.ts";
import { letYoungHeapGrow } from "./young-heap.ts";
import type { Controllers, ControllersOptions } from "./start-controllers.ts";
import type { StoreChoice } from "./store-choice.ts";

export const defaultPort = 7443;
const defaultHost = "127.0.0.1";

export interface ServeOptions {
  readonly stateDir: StateDir;
  /** 0: any free one. Absent: the default, or a free one where that is taken. */
  readonly port?: number;
  /** Address to listen on. Default: loopback. */
  readonly host?: string;
  /** How many ImageBuilds go on at once. */
  readonly imageBuilds?: number;
  readonly store: StoreChoice;
  readonly access: AccessChoice;
  readonly logger: Logger;
  /** Aborted to end the server. */
  readonly signal: AbortSignal;
}

/** Serves until the signal aborts, then ends watches, controllers and the store, in that order. */
export async function serve(options: ServeOptions): Promise<void> {
  const { stateDir, logger, signal } = options;
  makeStateDir(stateDir);
  const lock = takeServerLock(stateDir, { waitMs: 250 });
  if (lock === undefined) throw serverRuns(stateDir);
  try {
    const identity = await loadServerIdentity(stateDir, options.host === undefined ? {} : { host: options.host });
    const { access } = options;
    const plainStore = await openStore(options.store, { stateDir, logger });
    const encryption = SecretEncryption.over(plainStore, {
      stateDir,
      isShared: options.store.kind === "etcd",
      ...(access.encryptionKeysFile !== undefined && { file: access.encryptionKeysFile }),
    });
    if (encryption === undefined)
      logger.warn("Secrets are not encrypted: give every server of this store the same --encryption-keys");
    const store = encryption?.store ?? plainStore;
    const audit = access.audit === undefined ? undefined : openAuditFile(access.audit, logger);
    let controllers: Controllers | undefined;
    let handler: ApiHandler | undefined;
    const metrics = new Registry();
    const apiServer = await createApiServer({
      store,
      resources: coreKinds.map((kind) => toCustomResourceDefinition(kind)),
      definitions: kinds.map((kind) => toCustomResourceDefinition(kind)),
      subresources: [
        ...guestSubresources(() => controllers),
        metricsSubresource(() => controllers),
        exportSubresource(() => controllers),
      ],
      routes: [
        ["/metrics", async () => respondMetrics(`${await metrics.metrics()}\n${(await controllers?.metrics()) ?? ""}`)],
      ],
      metrics,
      actions:
        encryption === undefined
          ? []
          : [[rotatePath, ({ request }) => encryption.answer(request.query, request.signal)]],
      authentication: await authenticationOf(access, { stateDir, adminToken: identity.token }),
      ...(audit !== undefined && access.audit !== undefined && { audit: { sink: audit, level: access.audit.level } }),
      initialFinalizers: new Map([[`${VirtualMachine.plural}.${VirtualMachine.group}`, virtualMachineFinalizer]]),
      admission: [
        deletionProtection,
        inUseProtection(() => handler),
        sizeAdmission(() => controllers?.sizes),
        changeWarnings(() => controllers?.planner),
      ],
      usageEvaluators,
      // Where servers share a store, the one that leads does this too.
      runsTasks: options.store.kind === "sqlite",
      logger,
    });
    handler = apiServer.handle;
    const listener = await listen(apiServer, { ...options, identity });
    const url = urlOf(listener);
    // The kubeconfig last: who gets an answer by it finds the rest as this server wrote it.
    writeServerInfo(stateDir, { pid: process.pid, url, startedAt: new Date().toISOString() });
    writePrivateFile(stateDir.kubeconfig, kubeconfigFor({ url, caPem: identity.caPem, token: identity.token }));
    logger.info({ url, stateDir: stateDir.path, pid: process.pid }, "serving");

    // An API that answers while nothing acts would be taken for a server that works: it ends with what it could not start.
    try {
      const { imageBuilds } = options;
      const running = await startActing(options.store, apiServer, {
        handler: apiServer.handle,
        stateDir,
        logger,
        ...(imageBuilds === undefined ? {} : { imageBuilds }),
      });
      controllers = running;
      await aborted(signal);
      logger.info({ reason: String(signal.reason) }, "stopping");
      await running.stop();
    } finally {
      await apiServer.close();
      await listener.close();
      await audit?.close();
      await store.close();
      removeServerInfo(stateDir);
    }
  } finally {
    lock.release();
  }
  logger.info("stopped");
}

/** One server on a store of its own leads without asking; several that share one choose who does. */
async function startActing(
  store: StoreChoice,
  apiServer: ApiServer,
  options: ControllersOptions,
): Promise<Controllers> {
  switch (store.kind) {
    case "sqlite": {
      const { startControllers } = await import("./start-controllers.ts");
      const controllers = startControllers(options);
      options.logger.info("controllers started");
      return controllers;
    }
    case "etcd": {
      const { leadControllers } = await import("./lead-controllers.ts");
      return leadControllers(options, apiServer);
    }
  }
}

/** As clients on this machine reach it. */
function urlOf({ host, port }: HttpsListener): string {
  const address = host === "0.0.0.0" ? defaultHost : host === "::" ? "::1" : host;
  return `https://${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
}

async function listen(
  server: ApiServer,
  { port, host = defaultHost, identity, logger, access }: ServeOptions & { readonly identity: ServerIdentity },
): Promise<HttpsListener> {
  const options = {
    host,
    key: identity.keyPem,
    cert: identity.certPem,
    ca: `${identity.caPem}\n${access.clientCaPem ?? ""}`,
    onBusy: letYoungHeapGrow,
  };
  try {
    return await listenHttps(server, { ...options, port: port ?? defaultPort });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    if (port === undefined) {
      logger.warn({ port: defaultPort }, "the default port is taken; using a free one");
      return listenHttps(server, { ...options, port: 0 });
    }
    throw new CliUserError(`Cannot serve on ${host}:${port}: another program listens there.`, {
      fix: ["Use --port 0 for a free port: clients find it by the kubeconfig."],
      cause: error,
    });
  }
}

/** The Prometheus text format. */
function respondMetrics(text: string): ApiResponse {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return { status: 200, headers, body: Buffer.from(text) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
