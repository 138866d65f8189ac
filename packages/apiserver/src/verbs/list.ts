// GET of a collection. Plain lists are put together from stored bytes; only selectors and tables need the objects parsed.

import type { ApiResponse } from "@vivarium/api";
import { CompactedError, type KeyValue, type ListPage } from "@vivarium/store";
import { badRequest, expired } from "../errors.ts";
import type { Target } from "../input/target.ts";
import { negotiate } from "../output/negotiate.ts";
import { includeObjectOf, respondBytes, respondJson } from "../output/respond.ts";
import { toYaml } from "../output/to-yaml.ts";
import { toPartial, toTable } from "../output/table.ts";
import type { RequestContext } from "../request-context.ts";
import { parseFilter, type ObjectFilter } from "../selectors/object-filter.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, presentStored } from "../stored-object.ts";
import { decodeContinue, encodeContinue } from "./continue-token.ts";
import { parseRevision } from "./revision.ts";

interface Selected {
  readonly items: readonly KeyValue[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

export async function list(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const { resource } = target;
  const form = negotiate(context.request.headers["accept"], ["table", "partial"]);
  const { items, metadata } = await select(state, context, target);
  const objects = () => items.map((item) => decodeStored(item, resource));
  const listOf = (kind: string, apiVersion: string, content: readonly object[]) => ({
    kind,
    apiVersion,
    metadata,
    items: content,
  });
  switch (form.kind) {
    case "json":
    case "discovery":
      return respondBytes(
        200,
        joinList(
          items.map((item) => presentStored(item, resource)),
          { resource, metadata },
        ),
      );
    case "yaml": {
      const body = toYaml(listOf(resource.listKind, resource.apiVersion, objects()));
      return respondBytes(200, new TextEncoder().encode(body), "application/yaml");
    }
    case "partial":
      return respondJson(200, listOf("PartialObjectMetadataList", "meta.k8s.io/v1", objects().map(toPartial)));
    case "table":
      return respondJson(
        200,
        toTable(resource, objects(), { includeObject: includeObjectOf(context), now: context.now, metadata }),
      );
  }
}

/** The objects that selectors, limit and resourceVersion ask for. */
async function select(state: ServerState, context: RequestContext, target: Target): Promise<Selected> {
  const { resource } = target;
  const { query } = context.request;
  const filter = parseFilter(context, resource);
  const base = resource.keyPrefix(target.namespace);
  // All objects of one name lie in one place only when the namespace is known.
  const isNarrow = filter?.name !== undefined && (target.namespace !== undefined || !resource.namespaced);
  const prefix = isNarrow ? base + (filter?.name ?? "") : base;
  const limit = parseLimit(query.get("limit"));
  const token = query.get("continue") ? decodeContinue(query.get("continue") ?? "") : undefined;
  let revision = token?.revision ?? (await wantedRevision(state, query, limit));
  let startAfter = token === undefined ? undefined : base + token.startAfter;
  const items: KeyValue[] = [];
  for (;;) {
    const page = await readPage(state, prefix, {
      ...(limit !== undefined && { limit: limit - items.length }),
      ...(startAfter !== undefined && { startAfter }),
      ...(revision !== undefined && { revision }),
      isContinued: token !== undefined,
    });
    revision = page.revision;
    startAfter = page.items.at(-1)?.key;
    items.push(...matching(page.items, filter, target));
    const isFull = limit !== undefined && items.length >= limit;
    if (!page.more || isFull) {
      const next = page.more && startAfter !== undefined ? startAfter.slice(base.length) : undefined;
      return {
        items,
        metadata: {
          resourceVersion: String(revision),
          ...(next !== undefined && { continue: encodeContinue({ revision, startAfter: next }) }),
        },
      };
    }
  }
}

function matching(items: readonly KeyValue[], filter: ObjectFilter | undefined, target: Target): readonly KeyValue[] {
  return filter === undefined ? items : items.filter((item) => filter.matches(decodeStored(item, target.resource)));
}

async function readPage(
  state: ServerState,
  prefix: string,
  options: { limit?: number; startAfter?: string; revision?: number; isContinued: boolean },
): Promise<ListPage> {
  try {
    return await state.store.list(prefix, options);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw expired(
      options.isContinued
        ? "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
        : `The resourceVersion for the provided list is too old: ${error.revision} (${error.compactedRevision}).`,
    );
  }
}

/** Undefined: the newest. See https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list. */
async function wantedRevision(
  state: ServerState,
  query: URLSearchParams,
  limit: number | undefined,
): Promise<number | undefined> {
  const revision = parseRevision(query.get("resourceVersion"));
  const match = query.get("resourceVersionMatch") ?? "";
  if (match !== "" && match !== "Exact" && match !== "NotOlderThan")
    throw badRequest(`resourceVersionMatch: found ${JSON.stringify(match)}, expected Exact or NotOlderThan`);
  if (match !== "" && query.get("resourceVersion") === null)
    throw badRequest("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (revision === undefined || revision === 0) return undefined;
  if (revision > (await state.store.revision()))
    throw expired(`Too large resource version: ${revision}, current: ${await state.store.revision()}`);
  const isExact = match === "Exact" || (match === "" && limit !== undefined);
  return isExact ? revision : undefined;
}

function parseLimit(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`limit: found ${JSON.stringify(text)}, expected a number`);
  return Number(text) === 0 ? undefined : Number(text);
}

function joinList(
  items: readonly Uint8Array[],
  { resource, metadata }: { readonly resource: Target["resource"]; readonly metadata: Selected["metadata"] },
): Uint8Array {
  const { listKind: kind, apiVersion } = resource;
  const head = JSON.stringify({ kind, apiVersion, metadata, items: [] }).slice(0, -2);
  const comma = Buffer.from(",");
  const parts: Uint8Array[] = [Buffer.from(head)];
  items.forEach((item, index) => parts.push(...(index === 0 ? [item] : [comma, item])));
  parts.push(Buffer.from("]}\n"));
  return Buffer.concat(parts);
}
