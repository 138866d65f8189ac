// Objects as JSON, YAML or names on stdout. One object alone is printed alone; several as a v1 List, as kubectl does.

import type { KubeObject } from "@vivarium/api";
import type { KindDefinition } from "@vivarium/api";
import { toYaml } from "./to-yaml.ts";
import { print } from "./print.ts";

export async function showObjects(
  objects: readonly { readonly kind: KindDefinition; readonly object: KubeObject }[],
  options: { readonly format: "json" | "yaml" | "name"; readonly single: boolean },
): Promise<void> {
  if (options.format === "name") {
    for (const { kind, object } of objects) print(`${qualifiedKind(kind)}/${object.metadata.name}`);
    return;
  }
  const bare = objects.map(({ object }) => withoutManagedFields(object));
  const [first] = bare;
  const value =
    options.single && first !== undefined ? first : { apiVersion: "v1", kind: "List", metadata: {}, items: bare };
  await showValue(value, options.format);
}

export async function showValue(value: unknown, format: "json" | "yaml"): Promise<void> {
  if (format === "json") {
    print(JSON.stringify(value, undefined, 2));
    return;
  }
  print(await toYaml(value));
}

/** `virtualmachine.infra.virtrigaud.io`, as kubectl names kinds in its messages. */
export function qualifiedKind(kind: KindDefinition): string {
  return kind.group === "" ? kind.singular : `${kind.singular}.${kind.group}`;
}

/** Bookkeeping of server-side apply, of no use to a reader. */
function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
