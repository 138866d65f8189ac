// Every path that the server answers, and what all answers have in common: errors become a Status, warnings become headers.

import { StatusError, type ApiRequest, type ApiResponse } from "@vivarium/api";
import { StoreError } from "@vivarium/store";
import { AuditTrail } from "./audit/audit-trail.ts";
import { assertDecision } from "./authorization/access-control.ts";
import { attributesOf, type Attributes } from "./authorization/attributes.ts";
import { impersonated } from "./authorization/impersonation.ts";
import { discoveryRoutes } from "./discovery/discovery-routes.ts";
import { dispatchResource } from "./dispatch-resource.ts";
import { methodNotAllowed, pathNotFound } from "./errors.ts";
import { healthRoutes } from "./health/health-routes.ts";
import { parseResourcePath, type ResourcePath } from "./input/resource-path.ts";
import { respondError } from "./output/respond.ts";
import { requestBy } from "./request-by.ts";
import type { RequestContext } from "./request-context.ts";
import type { ServerState } from "./server-state.ts";
import { storeFailure } from "./store-failure.ts";

export type Route = (context: RequestContext) => ApiResponse | Promise<ApiResponse>;

/** A handler for all requests. It never throws. */
export function createRouter(state: ServerState): (request: ApiRequest) => Promise<ApiResponse> {
  const health = healthRoutes(state);
  let routes: ReadonlyMap<string, Route> = new Map();
  let builtFor: number | undefined;
  /** Discovery follows the registry. */
  function currentRoutes(): ReadonlyMap<string, Route> {
    const { version } = state.registry;
    if (version !== builtFor) routes = new Map([...health, ...discoveryRoutes(state), ...state.routes]);
    builtFor = version;
    return routes;
  }
  return async (request) => {
    const path = parseResourcePath(request.path);
    const attributes = attributesOf(request, path);
    const answered = state.metrics.start(countedAs(state, request, { path, attributes }));
    const response = await respond(request, { path, attributes });
    answered({ code: response.status, bytes: response.body instanceof Uint8Array ? response.body.length : undefined });
    return response;
  };
  async function respond(request: ApiRequest, { path, attributes }: Asked): Promise<ApiResponse> {
    const warnings: string[] = [];
    const now = state.now();
    const trail = new AuditTrail(request, now);
    try {
      const context: RequestContext = {
        request: authorized(state, trail, attributes),
        now,
        warnings,
        auditAnnotations: trail.annotations,
      };
      const room = state.audit?.room(trail);
      if (room !== undefined) await room;
      const response = await route(state, context, { routes: currentRoutes(), path });
      state.audit?.answered(trail, response);
      return withWarnings(response, warnings);
    } catch (error) {
      const status = toStatusError(state, request, error);
      state.audit?.failed(trail, status);
      return withWarnings(respondError(status), warnings);
    }
  }
}

interface Asked {
  readonly path: ResourcePath | undefined;
  readonly attributes: Attributes;
}

/** What does not exist is counted as one: names that clients make up must not become metrics. */
function countedAs(state: ServerState, request: ApiRequest, { path, attributes }: Asked): Attributes {
  if (path === undefined || state.registry.find(path.group, path.version, path.plural) === undefined)
    return attributesOf(request, undefined);
  const { group, plural, subresource } = path;
  const isKnown =
    subresource === undefined ||
    subresource === "status" ||
    subresource === "scale" ||
    state.subresources.find(group, plural, subresource) !== undefined;
  return isKnown ? attributes : attributesOf(request, { ...path, subresource: "unknown" });
}

/** The request, by whom it is to be taken for; throws Forbidden. */
export function authorized(state: ServerState, trail: AuditTrail, attributes: Attributes): ApiRequest {
  const { request } = trail;
  trail.attributes = attributes;
  const user = impersonated(state.access, request);
  if (user !== undefined) trail.impersonated = user;
  const taken = user === undefined ? request : requestBy(user, request);
  trail.decision = state.access.decide(taken.user, attributes);
  assertDecision(trail.decision, taken.user, attributes);
  return taken;
}

async function route(
  state: ServerState,
  context: RequestContext,
  { routes, path }: { readonly routes: ReadonlyMap<string, Route>; readonly path: ResourcePath | undefined },
): Promise<ApiResponse> {
  const { path: address, method } = context.request;
  const fixed = routes.get(address) ?? routes.get(address.replace(/\/$/, ""));
  if (fixed !== undefined) {
    if (method !== "GET") throw methodNotAllowed();
    return fixed(context);
  }
  const action = method === "POST" ? state.actions.get(address) : undefined;
  if (action !== undefined) return action(context);
  if (path === undefined) throw pathNotFound();
  return dispatchResource(state, context, path);
}

export function toStatusError(state: ServerState, request: ApiRequest, error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof StoreError) {
    state.log.error({ err: error, path: request.path }, "the store failed");
    return storeFailure(error);
  }
  state.log.error({ err: error, method: request.method, path: request.path }, "a request failed by a bug");
  return new StatusError("InternalError", "Internal error occurred: the server's log has more", { cause: error });
}

/** RFC 7234 warn-code 299, as kubectl reads it. */
function withWarnings(response: ApiResponse, warnings: readonly string[]): ApiResponse {
  if (warnings.length === 0) return response;
  const headers = [...new Set(warnings)].map((warning) => `299 - "${quotable(warning)}"`);
  return { ...response, headers: { ...response.headers, warning: headers } };
}

/** Field names in it come from the request: nothing of them may end the quoted string or the header. */
function quotable(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 1024);
  return printable.replaceAll(/(["\\])/g, "\\$1");
}
