// Installs the kinds that the server comes with as ordinary CustomResourceDefinitions, and brings them up to date when the server is
// newer. What a user has defined or taken over is left alone: ours is what carries our label.

import { isStatus, StatusError } from "@vivarium/api";
import { isDeepStrictEqual } from "node:util";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";
import { serverOwnership } from "../field-management/ownership.ts";
import { prepareCreate, prepareUpdate } from "../prepare.ts";
import type { Resource } from "../resource.ts";
import type { ResourceRegistry } from "../resource-registry.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { definitionStrategy } from "../strategies/custom-resource-definition.ts";
import { definitionKind } from "./definition-kind.ts";

const managedBy = "app.kubernetes.io/managed-by";
const versionAnnotation = "vivarium.dev/version";
const maxAttempts = 20;

/** The kind CustomResourceDefinition. */
export function definitionResource(registry: ResourceRegistry): Resource {
  const { group, names } = definitionKind.spec;
  const resource = registry.find(group, "v1", names.plural);
  if (resource === undefined) throw new TypeError("the kind CustomResourceDefinition is not built in");
  return resource;
}

export async function installDefinitions(
  state: ServerState,
  definitions: readonly CustomResourceDefinition[],
): Promise<void> {
  for (const definition of definitions) {
    try {
      await install(state, definition);
    } catch (error) {
      // An object of a kind that cannot be changed is better served as before than not at all.
      if (!isStatus(error, "Invalid")) throw error;
      const exists = (await state.store.get(keyOf(state, definition))) !== undefined;
      if (!exists) throw error;
      state.log.error({ err: error, definition: definition.metadata.name }, "cannot bring a kind up to date");
    }
  }
}

async function install(state: ServerState, definition: CustomResourceDefinition): Promise<void> {
  const resource = definitionResource(state.registry);
  const key = keyOf(state, definition);
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const wanted: ApiObject = structuredClone({
      ...definition,
      apiVersion: resource.apiVersion,
      kind: resource.kind,
    });
    const target = { resource, name: wanted.metadata.name };
    const now = state.now();
    const ownership = serverOwnership(now, target);
    const found = await state.store.get(key);
    if (found === undefined) {
      const created = prepareCreate({ now }, target, { object: wanted, ownership });
      if ((await state.store.put(key, encodeStored(created, resource), { expected: 0 })).written) return;
      continue;
    }
    const old = decodeStored(found, resource);
    if (!isOurs(state, old, wanted)) return;
    if (isInstalled(old, wanted)) return;
    const next = prepareUpdate(target, { object: merged(old, wanted), old, ownership });
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(next)), JSON.parse(JSON.stringify(old)))) return;
    const options = { expected: found.modRevision };
    if ((await state.store.put(key, encodeStored(next, resource), options)).written) {
      state.log.info(
        { definition: target.name, version: wanted.metadata.annotations?.[versionAnnotation] },
        "updated a kind",
      );
      return;
    }
  }
  throw new StatusError("Conflict", `Cannot install ${definition.metadata.name}: others write it all the time`);
}

function keyOf(state: ServerState, definition: CustomResourceDefinition): string {
  return definitionResource(state.registry).keyOf(undefined, definition.metadata.name);
}

/** Whether nothing is to be written: the usual case, which costs no validation. */
function isInstalled(old: ApiObject, wanted: ApiObject): boolean {
  const next = merged(old, structuredClone(wanted));
  definitionStrategy.prepare?.(next, old);
  return isDeepStrictEqual(next, old);
}

/** Not a user's own, not one that is going, and not one that a newer server has installed in the same store. */
function isOurs(state: ServerState, old: ApiObject, wanted: ApiObject): boolean {
  const { labels, annotations, deletionTimestamp, name } = old.metadata;
  if (deletionTimestamp !== undefined) return false;
  if (labels?.[managedBy] !== wanted.metadata.labels?.[managedBy]) {
    state.log.warn(
      { definition: name },
      `the kind is defined by somebody else: it has no label ${managedBy}=${wanted.metadata.labels?.[managedBy] ?? ""}`,
    );
    return false;
  }
  const installed = annotations?.[versionAnnotation] ?? "";
  return compareReleases(wanted.metadata.annotations?.[versionAnnotation] ?? "", installed) >= 0;
}

function merged(old: ApiObject, wanted: ApiObject): ApiObject {
  return {
    ...structuredClone(old),
    metadata: {
      ...structuredClone(old.metadata),
      labels: { ...old.metadata.labels, ...wanted.metadata.labels },
      annotations: { ...old.metadata.annotations, ...wanted.metadata.annotations },
    },
    spec: wanted["spec"],
  };
}

/** By the numbers of `1.20.3`; what has none is the oldest. */
function compareReleases(a: string, b: string): number {
  const numbers = (text: string): number[] => text.split(/[.+-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [numbers(a), numbers(b)];
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
