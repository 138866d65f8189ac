// From a resource path and an HTTP method to the verb that serves it.

import type { ApiRequest, ApiResponse } from "@vivarium/api";
import type { ConnectionPlace } from "./authentication/connection-tokens.ts";
import { methodNotAllowed, notFound, pathNotFound } from "./errors.ts";
import { decodeObject } from "./input/decode-object.ts";
import { parseBody } from "./input/parse-body.ts";
import type { ResourcePath } from "./input/resource-path.ts";
import { keyOf, type NamedTarget, type Target } from "./input/target.ts";
import type { RequestContext } from "./request-context.ts";
import { isNamespace, type Resource } from "./resource.ts";
import type { ServerState } from "./server-state.ts";
import { decodeStored } from "./stored-object.ts";
import type { Connection, SubresourceContext } from "./subresources.ts";
import { create } from "./verbs/create.ts";
import { deleteCollection } from "./verbs/delete-collection.ts";
import { deleteOne } from "./verbs/delete.ts";
import { finalizeNamespace } from "./verbs/finalize-namespace.ts";
import { get } from "./verbs/get.ts";
import { list } from "./verbs/list.ts";
import { patch } from "./verbs/patch.ts";
import { getScale, patchScale, updateScale } from "./verbs/scale.ts";
import { answerReview } from "./verbs/review.ts";
import { update } from "./verbs/update.ts";
import { watch } from "./verbs/watch.ts";

export async function dispatchResource(
  state: ServerState,
  context: RequestContext,
  path: ResourcePath,
): Promise<ApiResponse> {
  const resource = state.registry.find(path.group, path.version, path.plural);
  const target = resource === undefined ? await resolve(state, path) : targetOf(resource, path);
  if (target.resource.deprecationWarning !== undefined) context.warnings.push(target.resource.deprecationWarning);
  const response = await serve(state, context, { target, path });
  // What a definition says holds for the next request of whoever wrote it.
  if (target.resource.kind === "CustomResourceDefinition" && context.request.method !== "GET")
    await state.definitions.catchUp();
  return response;
}

async function serve(
  state: ServerState,
  context: RequestContext,
  { target, path }: { readonly target: Target; readonly path: ResourcePath },
): Promise<ApiResponse> {
  const review = state.reviews.find(target.resource);
  if (review !== undefined) {
    if (path.name !== undefined) throw pathNotFound();
    return answerReview(state, context, { review, target });
  }
  if (path.name === undefined) return verbOf(collectionVerbs, context)(state, context, target);
  const named: NamedTarget = { ...target, name: path.name };
  if (path.subresource === undefined) return verbOf(objectVerbs, context)(state, context, named);
  if (path.subresource === "status" && target.resource.hasStatus)
    return verbOf(statusVerbs, context)(state, context, { ...named, subresource: "status" });
  if (path.subresource === "scale" && target.resource.scale !== undefined)
    return verbOf(scaleVerbs, context)(state, context, { ...named, subresource: "scale" });
  if (path.subresource === "finalize" && isNamespace(target.resource))
    return verbOf(finalizeVerbs, context)(state, context, named);
  return added(state, context, { target: named, name: path.subresource });
}

type Verb<T> = (state: ServerState, context: RequestContext, target: T) => Promise<ApiResponse>;
type VerbTable<T> = Readonly<Partial<Record<ApiRequest["method"], Verb<T>>>>;

const collectionVerbs: VerbTable<Target> = { GET: listOrWatch, POST: create, DELETE: deleteCollection };
const objectVerbs: VerbTable<NamedTarget> = { GET: get, PUT: update, PATCH: patch, DELETE: deleteOne };
const statusVerbs: VerbTable<NamedTarget> = { GET: get, PUT: update, PATCH: patch };
const finalizeVerbs: VerbTable<NamedTarget> = { PUT: finalizeNamespace };
const scaleVerbs: VerbTable<NamedTarget> = { GET: getScale, PUT: updateScale, PATCH: patchScale };

function listOrWatch(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const wanted = context.request.query.get("watch");
  return wanted === "true" || wanted === "1" ? watch(state, context, target) : list(state, context, target);
}

function verbOf<T>(table: VerbTable<T>, context: RequestContext): Verb<T> {
  const verb = table[context.request.method];
  if (verb === undefined) throw methodNotAllowed();
  return verb;
}

async function added(
  state: ServerState,
  context: RequestContext,
  { target, name }: { readonly target: NamedTarget; readonly name: string },
): Promise<ApiResponse> {
  const subresource = state.subresources.find(target.resource.group, target.resource.plural, name);
  if (subresource === undefined) throw pathNotFound();
  const { method } = context.request;
  const serve =
    method === "GET"
      ? subresource.get?.bind(subresource)
      : method === "POST"
        ? subresource.create?.bind(subresource)
        : undefined;
  if (serve === undefined) throw methodNotAllowed();
  const uid = await uidOf(state, target);
  return serve(subresourceContext(state, context, { target, uid }), (resource) =>
    decodeObject(context, resource, parseBody(context.request)),
  );
}

/** What serves the WebSocket that wants this subresource; its parent object exists. Throws StatusError. */
export async function prepareConnection(
  state: ServerState,
  context: RequestContext,
  path: ResourcePath,
): Promise<Connection> {
  const target = await resolve(state, path);
  const subresource =
    path.subresource === undefined
      ? undefined
      : state.subresources.find(target.resource.group, target.resource.plural, path.subresource);
  if (path.name === undefined || subresource === undefined) throw pathNotFound();
  if (subresource.connect === undefined) throw methodNotAllowed();
  const named = { ...target, name: path.name };
  const uid = await uidOf(state, named);
  const settle = await state.admission.admit({
    operation: "CONNECT",
    resource: target.resource,
    subresource: subresource.name,
    ...(target.namespace !== undefined && { namespace: target.namespace }),
    name: path.name,
    user: context.request.user,
    isDryRun: false,
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  });
  settle?.("written");
  return subresource.connect(subresourceContext(state, context, { target: named, uid }));
}

/** What a WebSocket's token has to be for; throws StatusError when there is no such thing. */
export async function connectionPlace(state: ServerState, path: ResourcePath): Promise<ConnectionPlace> {
  const { name, subresource } = path;
  if (name === undefined || subresource === undefined) throw pathNotFound();
  const target = await resolve(state, path);
  const { group, plural } = target.resource;
  const uid = await uidOf(state, { ...target, name });
  return { group, plural, namespace: target.namespace ?? "", name, uid, subresource };
}

async function resolve(state: ServerState, path: ResourcePath): Promise<Target> {
  const resource = state.registry.find(path.group, path.version, path.plural) ?? (await findNew(state, path));
  if (resource === undefined) throw pathNotFound();
  return targetOf(resource, path);
}

function targetOf(resource: Resource, path: ResourcePath): Target {
  if (!isPlacePossible(resource, path)) throw pathNotFound();
  return { resource, ...(path.namespace !== undefined && { namespace: path.namespace }) };
}

/** A kind that has just been defined, perhaps through another server of the same store. */
async function findNew({ definitions, registry }: ServerState, path: ResourcePath): Promise<Resource | undefined> {
  const isDefined = path.group !== "" && (await definitions.catchUp(`${path.plural}.${path.group}`));
  return isDefined ? registry.find(path.group, path.version, path.plural) : undefined;
}

/** Cluster-scoped kinds are in no namespace; a namespaced object is in one. */
function isPlacePossible(resource: Resource, { namespace, name }: ResourcePath): boolean {
  return resource.namespaced ? name === undefined || namespace !== undefined : namespace === undefined;
}

/** Throws NotFound when the object does not exist. */
async function uidOf(state: ServerState, target: NamedTarget): Promise<string> {
  const found = await state.store.get(keyOf(target));
  if (found === undefined) throw notFound(target.resource, target.name);
  return decodeStored(found, target.resource).metadata.uid ?? "";
}

function subresourceContext(
  state: ServerState,
  { request }: RequestContext,
  { target, uid }: { readonly target: NamedTarget; readonly uid: string },
): SubresourceContext {
  const { namespace, name } = target;
  return {
    key: { name, ...(namespace !== undefined && { namespace }) },
    uid,
    query: request.query,
    user: request.user,
    signal: AbortSignal.any([request.signal, state.closing]),
  };
}
