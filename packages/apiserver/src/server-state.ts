// What all verbs share.

import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { AdmissionChain } from "./admission/admission-chain.ts";
import type { DefinitionLifecycle } from "./definitions/definition-lifecycle.ts";
import type { FlowControl } from "./flow/flow-control.ts";
import type { ServerMetrics } from "./metrics/server-metrics.ts";
import type { NamespaceLifecycle } from "./namespaces/namespace-lifecycle.ts";
import type { TokenAuthentication } from "./authentication/token-authentication.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { AccessControl } from "./authorization/access-control.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import type { ReviewTable } from "./reviews/review.ts";
import type { Route } from "./router.ts";
import type { SubresourceTable } from "./subresources.ts";

export interface ServerState {
  readonly store: Store;
  readonly registry: ResourceRegistry;
  readonly subresources: SubresourceTable;
  readonly namespaces: NamespaceLifecycle;
  readonly definitions: DefinitionLifecycle;
  readonly admission: AdmissionChain;
  /** By qualified plural. */
  readonly initialFinalizers: ReadonlyMap<string, string>;
  /** Who may do what. */
  readonly access: AccessControl;
  readonly tokens: TokenAuthentication;
  readonly reviews: ReviewTable;
  /** Paths besides those of resources, discovery and health. */
  readonly routes: readonly [string, Route][];
  /** Paths to POST to that are no resources. */
  readonly actions: ReadonlyMap<string, Route>;
  readonly audit: AuditLog | undefined;
  readonly metrics: ServerMetrics;
  readonly flows: FlowControl;
  readonly log: Logger;
  readonly now: () => Date;
  /** Aborted when the server closes; ends watches. */
  readonly closing: AbortSignal;
}
