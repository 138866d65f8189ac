// /scale: an autoscaling/v1 Scale made of an object's own fields, so that `kubectl scale` and autoscalers need not know its kind.

import { copyJson, type ApiResponse } from "@vivarium/api";
import { badRequest, invalid, notFound } from "../errors.ts";
import { assertBodySize, mediaTypeOf, parseBody, parseJson } from "../input/parse-body.ts";
import { keyOf, type NamedTarget } from "../input/target.ts";
import { respondJson } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import { invalidValue, wrongType } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, type ApiObject } from "../stored-object.ts";
import { patchFunctionOf } from "./patch.ts";
import { updateObject } from "./update.ts";

export const scaleKind = { group: "autoscaling", version: "v1", kind: "Scale" } as const;
const apiVersion = `${scaleKind.group}/${scaleKind.version}`;

interface Scale {
  readonly resourceVersion: string;
  readonly replicas: number;
}

export async function getScale(
  state: ServerState,
  _context: RequestContext,
  target: NamedTarget,
): Promise<ApiResponse> {
  const { resource, name } = target;
  const found = await state.store.get(keyOf(target));
  if (found === undefined) throw notFound(resource, name);
  return respondJson(200, toScale(resource, decodeStored(found, resource)));
}

export async function updateScale(
  state: ServerState,
  context: RequestContext,
  target: NamedTarget,
): Promise<ApiResponse> {
  const scale = readScale(target, parseBody(context.request));
  return write(state, context, { target, change: () => scale });
}

const patchTypes = ["application/json-patch+json", "application/merge-patch+json"];

export async function patchScale(
  state: ServerState,
  context: RequestContext,
  target: NamedTarget,
): Promise<ApiResponse> {
  assertBodySize(context.request);
  const patched = patchFunctionOf(mediaTypeOf(context.request), patchTypes);
  const parsed = parseJson(context.request.body);
  const change = (old: object): Scale => readScale(target, patched(old, parsed));
  return write(state, context, { target, change });
}

function write(
  state: ServerState,
  context: RequestContext,
  { target, change }: { readonly target: NamedTarget; readonly change: (old: object) => Scale },
): Promise<ApiResponse> {
  const { resource } = target;
  return updateObject(state, context, {
    target,
    change(old) {
      const object = copyJson(old);
      const { replicas, resourceVersion } = change(toScale(resource, object));
      setAt(object, partsOf(resource.scale?.specReplicasPath), replicas);
      object.metadata.resourceVersion = resourceVersion;
      return object;
    },
    respond: (object) => respondJson(200, toScale(resource, object)),
  });
}

function toScale({ scale }: Resource, object: ApiObject): object {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = valueAt(object, partsOf(scale?.labelSelectorPath));
  return {
    kind: scaleKind.kind,
    apiVersion,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: countAt(object, scale?.specReplicasPath) },
    status: {
      replicas: countAt(object, scale?.statusReplicasPath),
      ...(typeof selector === "string" && selector !== "" && { selector }),
    },
  };
}

function readScale({ resource, name }: NamedTarget, body: unknown): Scale {
  const scale = record(body);
  if (scale["kind"] !== scaleKind.kind || scale["apiVersion"] !== apiVersion)
    throw badRequest(
      `the object provided is of kind ${JSON.stringify(scale["kind"])} in ${JSON.stringify(scale["apiVersion"])}, expected ${scaleKind.kind} in ${apiVersion}`,
    );
  const metadata = record(scale["metadata"]);
  if (metadata["name"] !== undefined && metadata["name"] !== name)
    throw badRequest(
      `the name of the object (${JSON.stringify(metadata["name"])}) does not match the name on the URL (${name})`,
    );
  const replicas = record(scale["spec"])["replicas"] ?? 0;
  const { resourceVersion } = metadata;
  if (typeof replicas !== "number" || !Number.isInteger(replicas))
    throw invalid(resource, name, [wrongType("spec.replicas", replicas, "integer")]);
  if (replicas < 0 || replicas > 2 ** 31 - 1)
    throw invalid(resource, name, [
      invalidValue("spec.replicas", replicas, "must be greater than or equal to 0 and less than 2147483648"),
    ]);
  return { replicas, resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "" };
}

/** The names in `.spec.replicas`; definitions with other paths are refused. */
function partsOf(path: string | undefined): readonly string[] {
  return (path ?? "").split(".").filter((part) => part !== "");
}

function countAt(object: ApiObject, path: string | undefined): number {
  const value = valueAt(object, partsOf(path));
  return typeof value === "number" ? value : 0;
}

function valueAt(object: ApiObject, parts: readonly string[]): unknown {
  return parts.length === 0 ? undefined : parts.reduce<unknown>((value, part) => record(value)[part], object);
}

function setAt(object: ApiObject, parts: readonly string[], value: number): void {
  let at: Record<string, unknown> = object;
  for (const part of parts.slice(0, -1)) {
    const next = record(at[part]);
    at[part] = next;
    at = next;
  }
  const last = parts.at(-1);
  if (last !== undefined) at[last] = value;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
