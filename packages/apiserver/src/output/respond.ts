// Builds answers. All bodies pass through here, so that content types and warnings are set in one place.

import type { ApiResponse, StatusError } from "@vivarium/api";
import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import { decodeStored, presentStored, type ApiObject } from "../stored-object.ts";
import type { KeyValue } from "@vivarium/store";
import { negotiate, type OutputForm } from "./negotiate.ts";
import { toYaml } from "./to-yaml.ts";
import { toPartial, toTable, type IncludeObject } from "./table.ts";

const encoder = new TextEncoder();

export function respondJson(status: number, body: object, contentType = "application/json"): ApiResponse {
  return respondBytes(status, encoder.encode(`${JSON.stringify(body)}\n`), contentType);
}

export function respondBytes(status: number, body: Uint8Array, contentType = "application/json"): ApiResponse {
  return { status, headers: { "content-type": contentType }, body };
}

export function respondText(status: number, body: string): ApiResponse {
  return respondBytes(status, encoder.encode(body), "text/plain; charset=utf-8");
}

export function respondError(error: StatusError): ApiResponse {
  const response = respondJson(error.code, error.toStatus());
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds === undefined) return response;
  return { ...response, headers: { ...response.headers, "retry-after": String(retryAfterSeconds) } };
}

/** An object as it is stored. */
export function respondStored(
  context: RequestContext,
  resource: Resource,
  { kv, status = 200 }: { readonly kv: KeyValue; readonly status?: number },
): ApiResponse {
  const form = objectForm(context);
  if (form.kind === "json") return respondBytes(status, presentStored(kv, resource));
  return respondObject(context, resource, decodeStored(kv, resource), { form, status });
}

export function respondObject(
  context: RequestContext,
  resource: Resource,
  object: ApiObject,
  options: { readonly status?: number; readonly form?: OutputForm } = {},
): ApiResponse {
  const form = options.form ?? objectForm(context);
  const status = options.status ?? 200;
  switch (form.kind) {
    case "json":
    case "discovery":
      return respondJson(status, object);
    case "yaml":
      return respondBytes(status, encoder.encode(toYaml(object)), "application/yaml");
    case "partial":
      return respondJson(status, toPartial(object));
    case "table":
      return respondJson(
        status,
        toTable(resource, [object], {
          includeObject: includeObjectOf(context),
          now: context.now,
          metadata: { resourceVersion: object.metadata.resourceVersion },
        }),
      );
  }
}

export function objectForm(context: RequestContext): OutputForm {
  return negotiate(context.request.headers["accept"], ["table", "partial"]);
}

export function includeObjectOf(context: RequestContext): IncludeObject {
  const value = context.request.query.get("includeObject");
  return value === "None" || value === "Object" ? value : "Metadata";
}
