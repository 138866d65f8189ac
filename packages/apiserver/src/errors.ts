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
  const sentences = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  const all = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  return new StatusError("Invalid", `${resource.qualifiedKind} "${name}" is invalid: ${all}`, {
    details: {
      name,
      ...(resource.group !== "" && { group: resource.group }),
      kind: resource.kind,
      causes: errors.map(({ reason, field, message }) => ({ reason, field, message })),
    },
  });
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

export function expired(message: string): StatusError {
  return new StatusError("Expired", message);
}
