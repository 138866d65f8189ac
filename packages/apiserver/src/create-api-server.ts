// Puts the server together: store, kinds and subresources in, a handler for requests out. Transports and in-process callers use
// the same handler.

import { StatusError, type ApiHandler, type ApiRequest, type UserInfo } from "@vivarium/api";
import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { AdmissionChain } from "./admission/admission-chain.ts";
import type { AdmissionPlugin } from "./admission/admission-plugin.ts";
import { AuditLog, type AuditOptions } from "./audit/audit-log.ts";
import { AuditTrail } from "./audit/audit-trail.ts";
import { attributesOf } from "./authorization/attributes.ts";
import { defaultServiceAccounts, ensureFirstServiceAccounts } from "./authentication/default-service-accounts.ts";
import type { Credentials } from "./authentication/authenticator.ts";
import { connectionTokenSubresource } from "./authentication/connection-token-subresource.ts";
import { CredentialsError } from "./authentication/token-authenticator.ts";
import { serverAuthentication, type AuthenticationOptions } from "./authentication/server-authentication.ts";
import { escalationPrevention } from "./authorization/escalation.ts";
import { Rbac } from "./authorization/rbac.ts";
import type { CustomResourceDefinition } from "./custom-resource-definition.ts";
import { ValidatingAdmissionPolicies } from "./admission/policies/validating-admission-policies.ts";
import { definitionKind } from "./definitions/definition-kind.ts";
import { DefinitionLifecycle } from "./definitions/definition-lifecycle.ts";
import { definitionResource, installDefinitions } from "./definitions/install-definitions.ts";
import { connectionPlace, prepareConnection } from "./dispatch-resource.ts";
import { pathNotFound } from "./errors.ts";
import { parseResourcePath } from "./input/resource-path.ts";
import { defaultEventTtlMs, expireEvents } from "./events/expire-events.ts";
import { garbageCollector } from "./garbage-collector/garbage-collector.ts";
import { emptyNamespaces } from "./namespaces/empty-namespaces.ts";
import { defaultFlowLimits, FlowControl } from "./flow/flow-control.ts";
import type { FlowLimits, Release } from "./flow/priority-level.ts";
import { meteredStore } from "./metrics/metered-store.ts";
import { ServerMetrics } from "./metrics/server-metrics.ts";
import { NamespaceLifecycle } from "./namespaces/namespace-lifecycle.ts";
import { Quotas } from "./quota/quotas.ts";
import type { UsageEvaluator } from "./quota/usage-evaluator.ts";
import { requestBy } from "./request-by.ts";
import { ResourceRegistry } from "./resource-registry.ts";
import { reviews } from "./reviews/all-reviews.ts";
import { ReviewTable } from "./reviews/review.ts";
import { authorized, createRouter, toStatusError, type Route } from "./router.ts";
import type { ServerState } from "./server-state.ts";
import { OwnApi } from "./tasks/own-api.ts";
import type { ServerTask, TaskContext } from "./tasks/server-task.ts";
import { SubresourceTable, type Connection, type Subresource } from "./subresources.ts";

export interface ApiServerOptions {
  readonly store: Store;
  /** Kinds that are built in: they cannot change at run time, and no CustomResourceDefinition shows them. */
  readonly resources: readonly CustomResourceDefinition[];
  /** Kinds to install as CustomResourceDefinitions, or to bring up to date where they were installed before. */
  readonly definitions?: readonly CustomResourceDefinition[];
  readonly subresources?: readonly Subresource[];
  /** Paths to answer GET at besides the API, for example `/metrics`; who may is said by nonResourceURLs. */
  readonly routes?: readonly [string, Route][];
  /** Paths to answer POST at that are no resources. */
  readonly actions?: readonly [string, Route][];
  /** Tells every change and every refusal; nothing when absent. */
  readonly audit?: AuditOptions;
  /** Which credentials are taken; without it client certificates alone. */
  readonly authentication?: AuthenticationOptions;
  /**
   * By qualified plural (`widgets.example.dev`): what each new object of the kind is held by from the start, so that none can go before its
   * controller has looked at it, and the controller need not write that first.
   */
  readonly initialFinalizers?: ReadonlyMap<string, string>;
  /** Asked about each write, in this order, after defaulting and validation. */
  readonly admission?: readonly AdmissionPlugin[];
  /**
   * Whether the server collects garbage, empties namespaces and so on from the start. Default true. Where several servers share a store,
   * false: the leader calls `runTasks`.
   */
  readonly runsTasks?: boolean;
  /** How much objects take of what quotas limit, for kinds that are more than counted. */
  readonly usageEvaluators?: readonly UsageEvaluator[];
  /** Where the server's metrics go; a registry of its own when absent. */
  readonly metrics?: Registry;
  /** How many requests of the network run and wait at once. */
  readonly limits?: Partial<FlowLimits>;
  readonly logger: Logger;
  readonly clock?: () => Date;
}

/** What the server does by itself. */
const tasks: readonly ServerTask[] = [
  emptyNamespaces,
  garbageCollector,
  expireEvents(defaultEventTtlMs),
  defaultServiceAccounts,
];

const nobody: UserInfo = { name: "", groups: [] };

export interface ApiServer {
  readonly handle: ApiHandler;
  /**
   * Takes a turn for a request of the network, waiting for one where there is none; throws TooManyRequests. `gone` is asked for only when
   * it has to wait. Callers inside the process need none.
   */
  admit(user: UserInfo, path: string, gone: () => AbortSignal): Release | Promise<Release>;
  /** Who asks; undefined when credentials were shown and do not hold. */
  authenticate(credentials: Credentials): Promise<UserInfo | undefined>;
  /** Who opens a connection with the token that is in its query; the token holds no longer then. Undefined when it does not hold. */
  redeemToken(token: string, path: string): Promise<UserInfo | undefined>;
  /** Remembers a request whose credentials do not hold, and gives the answer to it. */
  unauthenticated(request: Omit<ApiRequest, "user">): StatusError;
  /** Finds the connect subresource that a request wants; throws StatusError when there is none. */
  connect(request: ApiRequest): Promise<Connection>;
  /** Does the work that must be done by one server at a time, until the signal aborts or the server closes. */
  runTasks(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Ends all watches and connections. The store stays open. */
  close(): Promise<void>;
}

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { logger: log } = options;
  const metrics = new ServerMetrics(options.metrics ?? new Registry());
  const store = meteredStore(options.store, metrics);
  const flows = new FlowControl({
    limits: { ...defaultFlowLimits, ...options.limits },
    onReject: (level, reason) => metrics.rejected(level, reason),
  });
  metrics.watchFlows(flows);
  const now = options.clock ?? (() => new Date());
  const registry = new ResourceRegistry([
    ...options.resources,
    definitionKind,
    ...reviews.map((review) => review.definition),
  ]);
  const namespaces = new NamespaceLifecycle({ store, resource: registry.find("", "v1", "namespaces") });
  const definitions = new DefinitionLifecycle({ store, log, registry, resource: definitionResource(registry), now });
  const closing = new AbortController();
  const rbac = new Rbac({ store, log });
  const authentication = serverAuthentication(options.authentication ?? {}, { store, registry, log, now });
  const { connectionTokens } = authentication;
  const added = options.subresources ?? [];
  const subresources = [
    ...authentication.subresources,
    ...added,
    ...(connectionTokens === undefined
      ? []
      : added
          .filter((each) => each.givesTokens === true)
          .map((each) => connectionTokenSubresource(each, { tokens: connectionTokens, now }))),
  ];
  const quotas = new Quotas({ store, log, registry, evaluators: options.usageEvaluators ?? [] });
  const policies = new ValidatingAdmissionPolicies({ store, registry, log });
  const state: ServerState = {
    store,
    registry,
    namespaces,
    definitions,
    admission: new AdmissionChain([
      escalationPrevention({
        access: rbac.access,
        rulesOfRole: (roleRef, namespace) => rbac.index.rulesOfRole(roleRef, namespace),
      }),
      policies,
      ...(options.admission ?? []),
      // The quota last: nothing is set aside for what somebody else refuses.
      ...quotas.plugins,
    ]),
    initialFinalizers: options.initialFinalizers ?? new Map(),
    access: rbac.access,
    tokens: authentication.tokens,
    reviews: new ReviewTable(reviews),
    routes: [...authentication.routes, ...(options.routes ?? [])],
    actions: new Map(options.actions ?? []),
    audit: options.audit === undefined ? undefined : new AuditLog(options.audit, now),
    metrics,
    flows,
    log,
    now,
    subresources: new SubresourceTable(subresources),
    closing: closing.signal,
  };
  await namespaces.ensureFirst(now());
  await installDefinitions(state, options.definitions ?? []);
  await definitions.load();
  await policies.load();
  const handle = createRouter(state);
  await rbac.start(new OwnApi({ handle, controller: "clusterrole-aggregation-controller", signal: closing.signal }), {
    definitions: [...options.resources, ...(options.definitions ?? [])],
    subresources,
  });
  if (options.runsTasks !== false) await ensureFirstServiceAccounts({ state, handle, signal: closing.signal });
  const quotaTasks = await quotas.start(state, { isShared: options.runsTasks === false });
  const running = new Set<Promise<void>>([
    quotas.follow(closing.signal),
    definitions.run(state),
    policies.follow(closing.signal),
    rbac.follow(closing.signal),
  ]);
  const runTasks = async (signal: AbortSignal): Promise<void> => {
    const context: TaskContext = { state, handle, signal: AbortSignal.any([signal, closing.signal]) };
    const all = Promise.all([...tasks, ...quotaTasks].map((task) => task.run(context))).then(() => undefined);
    running.add(all);
    await all.finally(() => running.delete(all));
  };
  if (options.runsTasks !== false) void runTasks(closing.signal);
  return {
    handle,
    admit: (user, path, gone) => flows.admit(user, path, gone),
    authenticate: (credentials) => authentication.authenticate(credentials),
    async redeemToken(token, address) {
      const path = parseResourcePath(address);
      if (path === undefined || connectionTokens === undefined) return undefined;
      try {
        return await connectionTokens.redeem(token, await connectionPlace(state, path));
      } catch (error) {
        if (!(error instanceof CredentialsError) && !(error instanceof StatusError)) throw error;
        // Who shows no good token is not told what there is.
        log.warn({ reason: error.message }, "a token for a connection was refused");
        return undefined;
      }
    },
    runTasks: ({ signal }) => runTasks(signal),
    unauthenticated(request) {
      const error = new StatusError("Unauthorized", "Unauthorized");
      const trail = new AuditTrail(requestBy(nobody, request), now());
      trail.attributes = attributesOf(request, parseResourcePath(request.path));
      state.audit?.failed(trail, error);
      return error;
    },
    async connect(request) {
      const trail = new AuditTrail(request, now());
      try {
        const path = parseResourcePath(request.path);
        const context = {
          request: authorized(state, trail, attributesOf(request, path)),
          now: trail.receivedAt,
          warnings: [],
          auditAnnotations: trail.annotations,
        };
        if (path === undefined) throw pathNotFound();
        const connection = await prepareConnection(state, context, path);
        state.audit?.connected(trail);
        return connection;
      } catch (error) {
        const status = toStatusError(state, request, error);
        state.audit?.failed(trail, status);
        throw status;
      }
    },
    async close() {
      closing.abort();
      await Promise.all(running);
    },
  };
}
