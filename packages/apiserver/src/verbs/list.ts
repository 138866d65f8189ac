// GET of a collection. Plain lists are put together from stored bytes; only selectors and tables need the objects parsed.

import type { ApiResponse } from "@vivarium/api";
import type { Target } from "../input/target.ts";
import { compressed } from "../output/compress.ts";
import { listBlocks } from "../output/list-bytes.ts";
import { negotiate } from "../output/negotiate.ts";
import { includeObjectOf, respondBytes, respondJson } from "../output/respond.ts";
import { toYaml } from "../output/to-yaml.ts";
import { toPartial, toTable } from "../output/table.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored } from "../stored-object.ts";
import { selectObjects, type Selection } from "./select-objects.ts";

export async function list(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const { resource } = target;
  const form = negotiate(context.request.headers["accept"], ["table", "partial"]);
  const selection = await selectObjects(state, context, target);
  const { items, metadata } = selection;
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
      return compressed(context.request, respondList(target, selection));
    case "yaml": {
      const body = toYaml(listOf(resource.listKind, resource.apiVersion, objects()));
      return respondBytes(200, new TextEncoder().encode(body), "application/yaml");
    }
    case "partial":
      return compressed(
        context.request,
        respondJson(200, listOf("PartialObjectMetadataList", "meta.k8s.io/v1", objects().map(toPartial))),
      );
    case "table":
      return compressed(
        context.request,
        respondJson(
          200,
          toTable(resource, objects(), { includeObject: includeObjectOf(context), now: context.now, metadata }),
        ),
      );
  }
}

/** In one piece when it is short. */
function respondList({ resource }: Target, { items, metadata }: Selection): ApiResponse {
  const blocks = listBlocks(items, { resource, metadata });
  const first = blocks.next().value ?? new Uint8Array();
  const second = blocks.next();
  if (second.done === true) return respondBytes(200, first);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield first;
    yield second.value ?? new Uint8Array();
    yield* blocks;
  }
  return { status: 200, headers: { "content-type": "application/json" }, body: body() };
}
