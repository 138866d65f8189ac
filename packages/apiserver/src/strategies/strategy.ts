// What a kind needs beyond its schema. Most kinds need nothing; the few core ones that do have one small file each.

import type { NameRule } from "../meta/names.ts";
import type { FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";

/** A column that a JSON path cannot say. */
export interface ComputedColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly description: string;
  readonly priority?: number;
  cell(object: ApiObject, now: Date): string | number | null;
}

/** A kind that is another way to read and write the objects of another one, which has the same plural. */
export interface StoredView {
  /** Of the kind that is stored. */
  readonly group: string;
  readonly version: string;
  /** Both may change what they are given. */
  toStored(object: ApiObject): ApiObject;
  fromStored(object: ApiObject): ApiObject;
}

export interface Strategy {
  readonly view?: StoredView;
  /** Whether metadata.generation counts changes of the spec. */
  readonly hasGeneration: boolean;
  /** Whether a PUT without resourceVersion overwrites whatever is there. */
  readonly allowsUnconditionalUpdate: boolean;
  /** Whether strategic merge patches are taken; only kinds with built-in types have the metadata for them. */
  readonly takesStrategicMerge: boolean;
  readonly nameRule: NameRule;
  readonly columns?: readonly ComputedColumn[];
  /** Tables do not begin with the name. */
  readonly hidesName?: boolean;
  /** Paths that field selectors may use besides metadata.name and metadata.namespace. */
  readonly selectableFields?: readonly string[];
  /** Removes unknown fields that the schema cannot tell; returns their paths. Types are not checked yet. */
  prune?(object: ApiObject): string[];
  /** Changes the object before it is defaulted and validated. `old` is absent at create. */
  prepare?(object: ApiObject, old: ApiObject | undefined): void;
  /** Errors that the schema cannot say. */
  validate?(object: ApiObject, old: ApiObject | undefined): FieldError[];
  /** Objects that may never be deleted. */
  isPermanent?(object: ApiObject): boolean;
  /** Objects that nothing depends on: their deletion waits for no dependents. */
  readonly isNeverOwner?: boolean;
  /** Fields outside metadata.finalizers that hold a deleted object. */
  isHeld?(object: ApiObject): boolean;
  /** Changes the object when its deletion is accepted but something still holds it. */
  markDeleted?(object: ApiObject): void;
}

export const customResourceStrategy: Strategy = {
  hasGeneration: true,
  allowsUnconditionalUpdate: false,
  takesStrategicMerge: false,
  nameRule: "subdomain",
};

export const coreStrategy: Strategy = {
  hasGeneration: false,
  allowsUnconditionalUpdate: true,
  takesStrategicMerge: true,
  nameRule: "subdomain",
};
