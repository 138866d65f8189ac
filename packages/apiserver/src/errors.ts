// The words of the API's errors, as kube-apiserver says them: clients and people know these sentences.
// https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go

import { StatusError } from "@vivarium/api";
import type { Resource } from "./resource.ts";
import type { FieldError } from "./schema/field-error.ts";

export function notFound(resource: Resource, name: string): StatusError {
  return new StatusError("NotFound", `${resource.qualifiedPlural} "${name}" not found`, {
    details: resource.detailsOf(name),
  });
}

export function pathNotFound(): StatusError {
  return new StatusError("NotFound", "the server could not find the requested resource");
}

export function alreadyExists(resource: Resource, name: string): StatusError {
  return new StatusError("AlreadyExists", `${resource.qualifiedPlural} "${name}" already exists`, {
    details: resource.detailsOf(name),
  });
}

/** Of all names that were tried for a generateName. */
export function noNameLeft(resource: Resource, name: string): StatusError {
  return new StatusError(
    "AlreadyExists",
    `${resource.qualifiedPlural} "${name}" already exists, the server was not able to generate a unique name for the object`,
    { details: { ...resource.detailsOf(name), retryAfterSeconds: 1 } },
  );
}

export function conflict(resource: Resource, name: string, why: string): StatusError {
  return new StatusError("Conflict", `Operation cannot be fulfilled on ${resource.qualifiedPlural} "${name}": ${why}`, {
    details: resource.detailsOf(name),
  });
}

export function modified(resource: Resource, name: string): StatusError {
  return conflict(
    resource,
    name,
    "the object has been modified; please apply your changes to the latest version and try again",
  );
}

export function invalid(resource: Resource, name: string, errors: readonly FieldError[]): StatusError {
  return new StatusError("Invalid", `${resource.qualifiedKind} "${name}" is invalid: ${sentenceOf(errors)}`, {
    details: {
      name,
      ...(resource.group !== "" && { group: resource.group }),
      kind: resource.kind,
      causes: errors.map(({ reason, field, message }) => ({ reason, field, message })),
    },
  });
}

function sentenceOf(errors: readonly FieldError[]): string {
  const sentences = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  return sentences.length === 1 ? (sentences[0] ?? "") : `[${sentences.join(", ")}]`;
}

export function forbidden(resource: Resource, name: string, why: string): StatusError {
  return new StatusError("Forbidden", `${resource.qualifiedPlural} "${name}" is forbidden: ${why}`, {
    details: resource.detailsOf(name),
  });
}

export function methodNotAllowed(): StatusError {
  return new StatusError("MethodNotAllowed", "the server does not allow this method on the requested resource");
}

export function badRequest(message: string): StatusError {
  return new StatusError("BadRequest", message);
}

/** `goOn`: the token with which a paged list can go on, no longer consistent. */
export function expired(message: string, goOn?: string): StatusError {
  return new StatusError("Expired", message, { ...(goOn !== undefined && { continue: goOn }) });
}

/** The revision may come: who asks again is served. */
export function tooLargeRevision(wanted: number, current: number): StatusError {
  return new StatusError("Timeout", `Too large resource version: ${wanted}, current: ${current}`, {
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", field: "", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  });
}

/** Query parameters of a list or a watch that do not go together. */
export function invalidListOptions(errors: readonly FieldError[]): StatusError {
  return new StatusError("Invalid", `ListOptions.meta.k8s.io "" is invalid: ${sentenceOf(errors)}`, {
    details: { group: "meta.k8s.io", kind: "ListOptions", causes: [...errors] },
  });
}
