// From a parsed body to an object of the kind that the request is about: the kind fits, metadata is well-formed, unknown fields are
// refused, warned of or dropped as `fieldValidation` asks.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { badRequest, invalid } from "../errors.ts";
import { metaSchema } from "../meta/meta-schema.ts";
import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import { applyDefaults } from "../schema/apply-defaults.ts";
import { prune } from "../schema/prune.ts";
import { compileValidator } from "../schema/schema-validator.ts";
import type { ApiObject } from "../stored-object.ts";

const metaOnly: JsonSchema = { type: "object", properties: { metadata: metaSchema } };
const validateMetaTypes = compileValidator(metaOnly);

/** Takes `value` over and changes it. */
export function decodeObject(context: RequestContext, resource: Resource, value: unknown): ApiObject {
  if (value === undefined || value === null)
    throw badRequest(`the request body is empty, expected an object of kind ${resource.kind}`);
  if (typeof value !== "object" || Array.isArray(value))
    throw badRequest(`the request body is not an object, expected an object of kind ${resource.kind}`);
  const object = value as Record<string, unknown>;
  if (resource.strategy.takesStrategicMerge) completeKind(object, resource);
  assertKind(object, resource);
  object["metadata"] ??= {};
  applyDefaults(object, metaOnly);
  const typeErrors = validateMetaTypes(object);
  if (typeErrors.length > 0) throw invalid(resource, nameOf(object), typeErrors);
  const decoded = object as ApiObject;
  const unknown = [...prune(object, resource.schema), ...(resource.strategy.prune?.(decoded) ?? [])];
  reportUnknown(context, resource, unknown);
  decoded.metadata.name ??= "";
  return decoded;
}

/** Clients with a type for a kind leave out what the URL says already. */
function completeKind(object: Record<string, unknown>, { apiVersion, kind }: Resource): void {
  if ((object["kind"] ?? "") === "") object["kind"] = kind;
  if ((object["apiVersion"] ?? "") === "") object["apiVersion"] = apiVersion;
}

function assertKind(object: Readonly<Record<string, unknown>>, resource: Resource): void {
  const { apiVersion, kind } = object;
  if (typeof kind !== "string" || kind === "") throw badRequest("Object 'Kind' is missing in the request body");
  if (typeof apiVersion !== "string" || apiVersion === "")
    throw badRequest("Object 'apiVersion' is missing in the request body");
  if (apiVersion !== resource.apiVersion)
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${resource.apiVersion})`,
    );
  if (kind !== resource.kind)
    throw badRequest(`the kind in the data (${kind}) does not match the expected kind (${resource.kind})`);
}

function reportUnknown(context: RequestContext, resource: Resource, unknown: readonly string[]): void {
  const mode = context.request.query.get("fieldValidation") ?? "Warn";
  const sentences = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
  switch (mode) {
    case "Strict":
      if (sentences.length === 0) return;
      throw badRequest(
        `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}: strict decoding error: ${sentences.join(", ")}`,
      );
    case "Warn":
    case "":
      context.warnings.push(...sentences);
      return;
    case "Ignore":
      return;
    default:
      throw badRequest(`invalid fieldValidation: found ${JSON.stringify(mode)}, expected Strict, Warn or Ignore`);
  }
}

function nameOf(object: Readonly<Record<string, unknown>>): string {
  const metadata = object["metadata"];
  const name = typeof metadata === "object" && metadata !== null && "name" in metadata ? metadata.name : undefined;
  return typeof name === "string" ? name : "";
}
