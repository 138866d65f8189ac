// One served version of one kind: everything the verbs need to know about it.

import type { StatusDetails } from "@vivarium/api";
import type {
  CustomResourceColumn,
  CustomResourceDefinition,
  CustomResourceScale,
  CustomResourceVersion,
  JsonSchema,
} from "./custom-resource-definition.ts";
import { compileRules, type RuleValidator } from "./cel/schema-rules.ts";
import { metaSchema } from "./meta/meta-schema.ts";
import { compileValidator, type SchemaValidator } from "./schema/schema-validator.ts";
import { strategyOf } from "./strategies/strategy-table.ts";
import type { Strategy } from "./strategies/strategy.ts";

export class Resource {
  readonly group: string;
  readonly version: string;
  readonly apiVersion: string;
  /** The apiVersion that stored bytes carry. */
  readonly storageApiVersion: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
  /** Where the numbers of replicas are; undefined without a scale subresource. */
  readonly scale: CustomResourceScale | undefined;
  /** Of the whole object, metadata included. */
  readonly schema: JsonSchema;
  readonly columns: readonly CustomResourceColumn[];
  /** JSON paths without the leading dot, as field selectors write them. */
  readonly selectableFields: readonly string[];
  readonly strategy: Strategy;
  readonly deprecationWarning: string | undefined;
  readonly isStorageVersion: boolean;
  /** Whether the kind is being deleted: then nothing new is created. */
  isTerminating = false;
  readonly #retired = new AbortController();
  #validator: SchemaValidator | undefined;
  readonly #ownSchema: JsonSchema;
  #rules: { readonly validate: RuleValidator | undefined } | undefined;

  constructor(definition: CustomResourceDefinition, version: CustomResourceVersion) {
    const { group, names, scope, versions } = definition.spec;
    const apiVersion = (name: string): string => apiVersionOf(group, name);
    this.group = group;
    this.version = version.name;
    this.apiVersion = apiVersion(version.name);
    this.strategy = strategyOf(group, names.plural);
    const { view } = this.strategy;
    this.storageApiVersion =
      view === undefined
        ? apiVersion(versions.find((each) => each.storage)?.name ?? version.name)
        : apiVersionOf(view.group, view.version);
    this.isStorageVersion = this.apiVersion === this.storageApiVersion;
    this.kind = names.kind;
    this.listKind = names.listKind ?? `${names.kind}List`;
    this.plural = names.plural;
    this.singular = names.singular ?? names.kind.toLowerCase();
    this.shortNames = names.shortNames ?? [];
    this.categories = names.categories ?? [];
    this.namespaced = scope === "Namespaced";
    this.hasStatus = version.subresources?.status !== undefined;
    this.scale = version.subresources?.scale;
    this.#ownSchema = version.schema?.openAPIV3Schema ?? { "x-kubernetes-preserve-unknown-fields": true };
    this.schema = withMeta(this.#ownSchema);
    this.columns = version.additionalPrinterColumns ?? [
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ];
    this.selectableFields = [
      ...(version.selectableFields ?? []).map((field) => field.jsonPath.replace(/^\./, "")),
      ...(this.strategy.selectableFields ?? []),
    ];
    this.deprecationWarning =
      version.deprecated === true
        ? (version.deprecationWarning ?? `${this.apiVersion} ${this.kind} is deprecated`)
        : undefined;
  }

  /** `virtualmachines.infra.virtrigaud.io`, or the plural alone for core kinds. */
  get qualifiedPlural(): string {
    return this.group === "" ? this.plural : `${this.plural}.${this.group}`;
  }

  get qualifiedKind(): string {
    return this.group === "" ? this.kind : `${this.kind}.${this.group}`;
  }

  /** Compiled at first use: most kinds of most servers are never written. */
  get validator(): SchemaValidator {
    this.#validator ??= compileValidator(this.schema);
    return this.#validator;
  }

  /** The schema's rules; undefined when it has none. */
  get rules(): RuleValidator | undefined {
    this.#rules ??= { validate: compileRules(this.#ownSchema)?.validate };
    return this.#rules.validate;
  }

  /**
   * Aborted when the kind is no longer served as it is described here. The reason is the revision of the write that changed it: watches
   * give what happened before that, and end.
   */
  get retired(): AbortSignal {
    return this.#retired.signal;
  }

  retire(revision: number): void {
    this.#retired.abort(revision);
  }

  /** What the Status of an error about one of these says. */
  detailsOf(name: string): StatusDetails {
    return { name, ...(this.group !== "" && { group: this.group }), kind: this.plural };
  }

  /** The store's prefix of all objects, or of one namespace's. */
  keyPrefix(namespace?: string): string {
    const group = this.strategy.view?.group ?? this.group;
    const all = `/registry/${group === "" ? "core" : group}/${this.plural}/`;
    return namespace === undefined || !this.namespaced ? all : `${all}${namespace}/`;
  }

  keyOf(namespace: string | undefined, name: string): string {
    return this.keyPrefix(namespace) + name;
  }
}

/** The kind that scopes the names of others. */
export function isNamespace({ group, plural }: Resource): boolean {
  return group === "" && plural === "namespaces";
}

function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

function withMeta(schema: JsonSchema): JsonSchema {
  const apiVersion: JsonSchema = { type: "string", description: "Group and version of the kind." };
  const kind: JsonSchema = { type: "string", description: "The kind of the object." };
  return { ...schema, type: "object", properties: { apiVersion, kind, ...schema.properties, metadata: metaSchema } };
}
