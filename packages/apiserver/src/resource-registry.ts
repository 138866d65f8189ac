// All kinds that are served, found by their place in the URL. Built-in kinds are there from the start; those of
// CustomResourceDefinitions come, change and go at run time (definitions/definition-lifecycle.ts).

import type { CustomResourceDefinition } from "./custom-resource-definition.ts";
import { Resource } from "./resource.ts";

/** One kind in all its versions. */
interface Entry {
  readonly definition: CustomResourceDefinition;
  readonly isBuiltIn: boolean;
  /** Every version, served or not. */
  readonly resources: readonly Resource[];
  readonly served: readonly Resource[];
}

export class ResourceRegistry {
  /** By plural and group. */
  readonly #entries = new Map<string, Entry>();
  readonly #byPath = new Map<string, Resource>();
  #version = 0;

  constructor(builtIn: readonly CustomResourceDefinition[]) {
    for (const definition of builtIn) {
      const { group, names } = definition.spec;
      if (this.#entries.has(nameOf(group, names.plural)))
        throw new TypeError(`Cannot serve ${nameOf(group, names.plural)}: it is defined twice, expected once`);
      this.#add(definition, { isBuiltIn: true });
    }
  }

  /** Grows with every change of what is served. */
  get version(): number {
    return this.#version;
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(pathOf(group, version, plural));
  }

  /** Every served version of every kind. */
  all(): readonly Resource[] {
    return [...this.#byPath.values()];
  }

  /** One of each kind, in its stored version, which need not be a served one. */
  stored(): readonly Resource[] {
    return [...this.#entries.values()].flatMap((entry) => entry.resources.filter((each) => each.isStorageVersion));
  }

  /** Names of a group that are built in. */
  builtIn(group: string): readonly CustomResourceDefinition[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.isBuiltIn && entry.definition.spec.group === group)
      .map((entry) => entry.definition);
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

  /**
   * Serves a kind as defined, in place of how it was. `revision`: of the write that defined it. Its resources stay the same objects when
   * nothing of them has changed.
   */
  set(
    definition: CustomResourceDefinition,
    { revision, isTerminating }: { readonly revision: number; readonly isTerminating: boolean },
  ): void {
    const { group, names } = definition.spec;
    const old = this.#entries.get(nameOf(group, names.plural));
    if (old?.isBuiltIn === true) return;
    const isSame = old !== undefined && JSON.stringify(old.definition.spec) === JSON.stringify(definition.spec);
    const entry = isSame ? old : this.#replace(old, definition, revision);
    for (const resource of entry.resources) resource.isTerminating = isTerminating;
  }

  remove(group: string, plural: string, revision: number): void {
    const old = this.#entries.get(nameOf(group, plural));
    if (old !== undefined && !old.isBuiltIn) this.#drop(old, revision);
  }

  #replace(old: Entry | undefined, definition: CustomResourceDefinition, revision: number): Entry {
    if (old !== undefined) this.#drop(old, revision);
    return this.#add(definition, { isBuiltIn: false });
  }

  #add(definition: CustomResourceDefinition, { isBuiltIn }: { readonly isBuiltIn: boolean }): Entry {
    const { group, names, versions } = definition.spec;
    const resources = versions.map((version) => new Resource(definition, version));
    const served = resources.filter((_, index) => versions[index]?.served === true);
    const entry = { definition, isBuiltIn, resources, served };
    this.#entries.set(nameOf(group, names.plural), entry);
    for (const resource of served) this.#byPath.set(pathOf(group, resource.version, resource.plural), resource);
    this.#version++;
    return entry;
  }

  #drop(entry: Entry, revision: number): void {
    const { group, names } = entry.definition.spec;
    this.#entries.delete(nameOf(group, names.plural));
    for (const resource of entry.served) this.#byPath.delete(pathOf(group, resource.version, resource.plural));
    this.#version++;
    for (const resource of entry.resources) resource.retire(revision);
  }
}

function nameOf(group: string, plural: string): string {
  return `${plural}.${group}`;
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

/** One of each place in the store: the versions and views of a kind share theirs. */
export function distinctKinds(registry: ResourceRegistry): readonly Resource[] {
  const kinds = new Map<string, Resource>();
  for (const resource of registry.all()) {
    const prefix = resource.keyPrefix();
    if (!kinds.has(prefix) || resource.isStorageVersion) kinds.set(prefix, resource);
  }
  return [...kinds.values()];
}
