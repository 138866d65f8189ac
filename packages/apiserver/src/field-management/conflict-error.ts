// The 409 of server-side apply. kubectl prints its sentence and explains below it what can be done
// (k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go).

import { StatusError, type StatusCause } from "@vivarium/api";
import type { OwnershipConflict } from "./apply-config.ts";
import { pathsOf } from "./field-set.ts";
import type { Owner } from "./managed-fields.ts";

export function applyConflict(conflicts: readonly OwnershipConflict[]): StatusError {
  const byOwner = conflicts
    .map(({ owner, fields }) => ({ owner: showOwner(owner), paths: [...pathsOf(fields)].map(showPath) }))
    .toSorted((a, b) => (a.owner < b.owner ? -1 : 1));
  const causes = byOwner.flatMap(({ owner, paths }) =>
    paths.map((field): StatusCause => ({ reason: "FieldManagerConflict", message: `conflict with ${owner}`, field })),
  );
  const [first] = causes;
  const sentence =
    causes.length === 1 && first !== undefined
      ? `1 conflict: ${first.message}: ${first.field}`
      : `${causes.length} conflicts: ${byOwner.flatMap(({ owner, paths }) => [`conflicts with ${owner}:`, ...paths.map((path) => `- ${path}`)]).join("\n")}`;
  return new StatusError("Conflict", `Apply failed with ${sentence}`, { details: { causes } });
}

function showOwner({ manager, operation, apiVersion, subresource }: Owner): string {
  const name =
    JSON.stringify(manager) + (subresource === undefined ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}

/** `.spec.disks[name="root"].size`. */
export function showPath(path: readonly string[]): string {
  return path.map(showElement).join("");
}

function showElement(element: string): string {
  const content = element.slice(2);
  switch (element.charAt(0)) {
    case "k": {
      const keys = Object.entries(JSON.parse(content) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}]`;
    }
    case "v":
      return `[=${content}]`;
    case "i":
      return `[${content}]`;
    default:
      return `.${content}`;
  }
}
