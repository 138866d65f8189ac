// PATCH of one object: the patch makes a new object of the stored one, which then goes the way of every update.

import { copyJson, StatusError, type ApiResponse } from "@vivarium/api";
import { invalidOptions } from "../field-management/manager-name.ts";
import { decodeObject } from "../input/decode-object.ts";
import { assertBodySize, mediaTypeOf, parseJson } from "../input/parse-body.ts";
import type { NamedTarget } from "../input/target.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import { mergePatch } from "../patch/merge-patch.ts";
import { applyMediaType, patchMediaTypes } from "../patch/patch-media-types.ts";
import { strategicMergePatch } from "../patch/strategic-merge-patch.ts";
import type { RequestContext } from "../request-context.ts";
import { forbiddenField } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import { apply } from "./apply.ts";
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
  const patched = patchFunctionOf(type, patchMediaTypes(resource.strategy));
  const parsed = parseJson(context.request.body);
  return updateObject(state, context, {
    target,
    change: (old) => decodeObject(context, resource, patched(copyJson(old), parsed)),
  });
}

/** `accepted`: the media types that the endpoint takes. */
export function patchFunctionOf(type: string, accepted: readonly string[]): PatchFunction {
  const found = accepted.includes(type) ? patchFunctions[type] : undefined;
  if (found !== undefined) return found;
  throw new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${type}) - accepted media types include: ${accepted.join(", ")}`,
  );
}

const patchFunctions: Readonly<Record<string, PatchFunction>> = {
  "application/merge-patch+json": mergePatch,
  "application/json-patch+json": jsonPatch,
  "application/strategic-merge-patch+json": strategicMergePatch,
};
