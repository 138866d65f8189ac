// All kinds that are served, found by their place in the URL.

import type { CustomResourceDefinition } from "./custom-resource-definition.ts";
import { Resource } from "./resource.ts";

export class ResourceRegistry {
  readonly definitions: readonly CustomResourceDefinition[];
  readonly #byPath = new Map<string, Resource>();

  constructor(definitions: readonly CustomResourceDefinition[]) {
    this.definitions = definitions;
    for (const definition of definitions) {
      for (const version of definition.spec.versions.filter((each) => each.served)) {
        const resource = new Resource(definition, version);
        const path = pathOf(resource.group, resource.version, resource.plural);
        if (this.#byPath.has(path)) throw new TypeError(`Cannot serve ${path}: it is defined twice, expected once`);
        this.#byPath.set(path, resource);
      }
    }
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(pathOf(group, version, plural));
  }

  /** Every version of every kind. */
  all(): readonly Resource[] {
    return [...this.#byPath.values()];
  }

  /** One of each kind, in its stored version. */
  stored(): readonly Resource[] {
    return this.all().filter((resource) => resource.isStorageVersion);
  }

  /** Versions of a group, the preferred one first. */
  versionsOf(group: string): readonly string[] {
    return [
      ...new Set(
        this.all()
          .filter((resource) => resource.group === group)
          .map((resource) => resource.version),
      ),
    ].toSorted(compareVersions);
  }

  /** Groups other than the core one. */
  groups(): readonly string[] {
    return [...new Set(this.all().map((resource) => resource.group))].filter((group) => group !== "").toSorted();
  }
}

function pathOf(group: string, version: string, plural: string): string {
  return `${group}/${version}/${plural}`;
}

/** v2 before v1 before v1beta2 before v1beta1 before v1alpha1, as Kubernetes sorts them. */
function compareVersions(a: string, b: string): number {
  const rank = (version: string): number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (match === null) return [-1, 0, 0];
    const stage = match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0;
    return [stage, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  for (let index = 0; index < 3; index++) {
    const difference = (right[index] ?? 0) - (left[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : 1;
}
