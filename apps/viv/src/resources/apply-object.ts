// Apply as kubectl does on the client's side, so that the two can be used on one object in turn: what was applied last is kept in
// kubectl's own annotation, and what has gone from the manifest since is removed from the object.
// https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes

import { isStatus, type KubeObject, type ObjectKey } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Manifest } from "./load-manifests.ts";

export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

export type Applied = { readonly object: KubeObject; readonly outcome: "created" | "configured" | "unchanged" };

export interface ApplyOptions {
  readonly namespace: string;
  readonly signal?: AbortSignal;
  readonly onWarning?: (message: string) => void;
  /** Nothing is written. */
  readonly dryRun?: boolean;
}

export async function applyObject(client: Client, manifest: Manifest, options: ApplyOptions): Promise<Applied> {
  const { kind } = manifest;
  const object = inNamespace(manifest, options.namespace);
  const key = keyOf(object);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const write = {
    ...signal,
    ...(options.dryRun === undefined ? {} : { dryRun: options.dryRun }),
    fieldManager: "viv",
    fieldValidation: "Strict" as const,
    ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
  };
  const wanted = withLastApplied(object);
  let live = await getOrUndefined(client, { kind, key, ...signal });
  if (live === undefined) {
    try {
      return { object: await client.create(kind, wanted, write), outcome: "created" };
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
      live = await client.get(kind, key, signal);
    }
  }
  const patch = threeWayPatch(lastAppliedOf(live), wanted, live);
  if (patch === undefined) return { object: live, outcome: "unchanged" };
  const changed = await client.mergePatch(kind, key, patch, write);
  // A dry run gives no new version.
  const isKept =
    options.dryRun === true
      ? isSame(contentOf(changed), contentOf(live))
      : changed.metadata.resourceVersion === live.metadata.resourceVersion;
  return { object: changed, outcome: isKept ? "unchanged" : "configured" };
}

function inNamespace(manifest: Manifest, namespace: string): KubeObject {
  const { kind, object } = manifest;
  if (!kind.namespaced) return object;
  return { ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace } };
}

export function keyOf(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

async function getOrUndefined(
  client: Client,
  { kind, key, signal }: { kind: Manifest["kind"]; key: ObjectKey; signal?: AbortSignal },
): Promise<KubeObject | undefined> {
  try {
    return await client.get(kind, key, signal === undefined ? {} : { signal });
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}

/** What users wrote of it. */
function contentOf(object: KubeObject): unknown {
  const { labels = {}, annotations: { [lastAppliedAnnotation]: _, ...annotations } = {} } = object.metadata;
  return { ...object, metadata: { labels, annotations }, status: undefined };
}

function withLastApplied(object: KubeObject): KubeObject {
  const { [lastAppliedAnnotation]: _, ...annotations } = object.metadata.annotations ?? {};
  const plain = { ...object, metadata: { ...object.metadata, annotations } };
  const annotated = { ...annotations, [lastAppliedAnnotation]: `${JSON.stringify(sorted(plain))}\n` };
  return { ...object, metadata: { ...object.metadata, annotations: annotated } };
}

/** kubectl writes keys in order; the same text for the same content keeps a repeated apply from changing anything. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => sorted(item));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function lastAppliedOf(live: KubeObject): unknown {
  const text = live.metadata.annotations?.[lastAppliedAnnotation];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Somebody wrote something else there: then nothing is known to have been ours, and nothing is removed.
    return undefined;
  }
}

/** Pure: the RFC 7386 merge patch that makes `live` what `wanted` says, or undefined when it is so already. */
export function threeWayPatch(last: unknown, wanted: unknown, live: unknown): object | undefined {
  const patch: Record<string, unknown> = {};
  if (!isRecord(wanted)) return undefined;
  const was = isRecord(last) ? last : {};
  const is = isRecord(live) ? live : {};
  for (const [key, value] of Object.entries(wanted)) {
    if (isRecord(value) && isRecord(is[key])) {
      const inner = threeWayPatch(was[key], value, is[key]);
      if (inner !== undefined) patch[key] = inner;
    } else if (!isSame(value, is[key])) {
      patch[key] = value;
    }
  }
  for (const key of Object.keys(was)) {
    if (!(key in wanted) && key in is) patch[key] = null;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isSame(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  }
  if (isRecord(left) && isRecord(right)) {
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...keys].every((key) => isSame(left[key], right[key]));
  }
  return left === right;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
