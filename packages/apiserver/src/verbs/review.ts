// POST of a review: nothing is stored, the answer comes at once.

import type { ApiResponse } from "@vivarium/api";
import { invalid, methodNotAllowed } from "../errors.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseBody } from "../input/parse-body.ts";
import type { Target } from "../input/target.ts";
import { respondObject } from "../output/respond.ts";
import { timestamp } from "../meta/timestamp.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import type { Review } from "../reviews/review.ts";

export async function answerReview(
  state: ServerState,
  context: RequestContext,
  { review, target }: { readonly review: Review; readonly target: Target },
): Promise<ApiResponse> {
  const { resource, namespace } = target;
  if (context.request.method !== "POST" || target.name !== undefined) throw methodNotAllowed();
  if (resource.namespaced && namespace === undefined) throw methodNotAllowed();
  const object = decodeObject(context, resource, parseBody(context.request));
  const errors = resource.validator(object);
  if (errors.length > 0) throw invalid(resource, object.metadata.name, errors);
  const answered = await review.answer(state, context, { target, object });
  answered.metadata.creationTimestamp = timestamp(context.now);
  return respondObject(context, resource, answered, { status: 201 });
}
