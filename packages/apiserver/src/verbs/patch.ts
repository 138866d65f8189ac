// PATCH of one object: the patch makes a new object of the stored one, which then goes the way of every update.

import { StatusError, type ApiResponse } from "@vivarium/api";
import { invalidOptions } from "../field-management/manager-name.ts";
import { decodeObject } from "../input/decode-object.ts";
import { assertBodySize, mediaTypeOf, parseJson } from "../input/parse-body.ts";
import type { NamedTarget } from "../input/target.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import { mergePatch } from "../patch/merge-patch.ts";
import { strategicMergePatch } from "../patch/strategic-merge-patch.ts";
import type { RequestContext } from "../request-context.ts";
import { forbiddenField } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import { apply, applyMediaType } from "./apply.ts";
import { updateObject } from "./update.ts";

/** Applies a parsed patch to an object and returns the result; throws StatusError. */
type PatchFunction = (object: unknown, patch: unknown) => unknown;

export async function patch(state: ServerState, context: RequestContext, target: NamedTarget): Promise<ApiResponse> {
  const { resource } = target;
  assertBodySize(context.request);
  const type = mediaTypeOf(context.request);
  if (type === applyMediaType) return apply(state, context, target);
  if (context.request.query.has("force"))
    throw invalidOptions("PatchOptions", [forbiddenField("force", "may not be specified for non-apply patch")]);
  const patched = patchFunctionOf(type, resource.strategy);
  const parsed = parseJson(context.request.body);
  return updateObject(state, context, {
    target,
    change: (old) => decodeObject(context, resource, patched(old, parsed)),
  });
}

export function patchFunctionOf(
  type: string,
  { takesStrategicMerge }: { readonly takesStrategicMerge: boolean },
): PatchFunction {
  switch (type) {
    case "application/merge-patch+json":
      return mergePatch;
    case "application/json-patch+json":
      return jsonPatch;
    case "application/strategic-merge-patch+json":
      if (takesStrategicMerge) return strategicMergePatch;
      break;
    default:
      break;
  }
  const accepted = ["application/json-patch+json", "application/merge-patch+json", applyMediaType];
  if (takesStrategicMerge) accepted.push("application/strategic-merge-patch+json");
  throw new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${type}) - accepted media types include: ${accepted.join(", ")}`,
  );
}
