// What holds for every configuration, checked on random ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { applyConfig, type ApplyResult } from "./apply-config.ts";
import { compareFields, isSameFields } from "./compare-fields.ts";
import { difference, intersection, isEmpty, isMember, nothing, pathsOf, union, type FieldSet } from "./field-set.ts";
import { claimedFields, madeChildren } from "./fields-of.ts";
import type { Owner } from "./managed-fields.ts";
import type { Fields } from "./merge-shape.ts";
import { removeFields } from "./remove-fields.ts";
import { takeFields } from "./track-write.ts";

const string: JsonSchema = { type: "string" };
const schema: JsonSchema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        text: string,
        struct: { type: "object", properties: { a: string, b: string } },
        map: { type: "object", additionalProperties: string },
        whole: { type: "object", "x-kubernetes-map-type": "atomic", additionalProperties: string },
        list: { type: "array", items: string },
        set: { type: "array", "x-kubernetes-list-type": "set", items: string },
        keyed: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: { type: "object", properties: { name: string, x: string, y: string } },
        },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
  },
};

const text = fc.constantFrom("1", "2", "3");
const map = fc.dictionary(fc.constantFrom("p", "q", "r"), text, { maxKeys: 3, noNullPrototype: true });
const optional = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [], noNullPrototype: true });
const config: fc.Arbitrary<Fields> = fc.record(
  {
    metadata: fc.constant({}),
    spec: optional({
      text,
      struct: optional({ a: text, b: text }),
      map,
      whole: map,
      list: fc.array(text, { maxLength: 3 }),
      set: fc.uniqueArray(text, { maxLength: 3 }),
      keyed: fc
        .uniqueArray(optional({ name: fc.constantFrom("a", "b", "c"), x: text, y: text }), {
          maxLength: 3,
          selector: (item) => item.name,
        })
        .map((items) => items.map((item) => ({ ...item, name: item.name ?? "d" }))),
      free: fc.dictionary(fc.constantFrom("p", "q"), fc.oneof(text, map, fc.array(text, { maxLength: 2 })), {
        maxKeys: 2,
        noNullPrototype: true,
      }),
    }),
  },
  { noNullPrototype: true },
);

interface State {
  readonly object: Fields;
  readonly owners: ReadonlyMap<string, Owner>;
}

const empty: State = { object: { metadata: {} }, owners: new Map() };
const apiVersion = "example.dev/v1";

function apply({ object, owners }: State, by: Fields, manager: string): ApplyResult {
  return applyConfig({ live: object, config: by, owners, schema, writer: { manager, apiVersion, time: "t" } });
}

/** What a PUT of `object` makes. */
function write(state: State, object: Fields, manager: string): State {
  const owners = new Map(state.owners);
  takeFields(owners, compareFields(state.object, object, schema), { manager, apiVersion, time: "t" });
  return { object, owners: new Map([...owners].filter(([, owner]) => !isEmpty(owner.fields))) };
}

const step = fc.record({ manager: fc.constantFrom("one", "two", "three"), config, isApply: fc.boolean() });
const history = fc.array(step, { maxLength: 6 }).map((steps) =>
  steps.reduce<State>((state, { manager, config: by, isApply }) => {
    return isApply ? apply(state, by, manager) : write(state, by, manager);
  }, empty),
);

/** Two configurations that claim nothing in common. */
const apart = fc
  .tuple(config, config)
  .map(([left, right]): [Fields, Fields] => [left, removeFields(right, claims(left), schema)])
  .filter(([left, right]) => isEmpty(intersection(claims(left), claims(right))));

const shown = (set: FieldSet): string[] =>
  [...pathsOf(set)].map((path) => path.join(" ")).toSorted((a, b) => (a < b ? -1 : 1));
const fieldsOf = (owners: Iterable<Owner>): string[] =>
  [...owners]
    .map((owner) => JSON.stringify([owner.manager, owner.operation, shown(owner.fields)]))
    .toSorted((a, b) => (a < b ? -1 : 1));
const claims = (by: Fields): FieldSet => difference(claimedFields(by, schema) ?? nothing, { "f:metadata": nothing });
const all = (object: Fields): FieldSet => madeChildren(object, schema) ?? nothing;
const isWithin = (a: FieldSet, b: FieldSet): boolean => isEmpty(difference(a, b));

test("applying twice is applying once", () => {
  fc.assert(
    fc.property(history, config, (state, by) => {
      const once = apply(state, by, "one");
      const twice = apply(once, by, "one");
      assert.deepEqual(twice.object, once.object);
      assert.deepEqual(fieldsOf(twice.owners.values()), fieldsOf(once.owners.values()));
      assert.deepEqual(twice.conflicts, []);
    }),
  );
});

test("the configuration is in the object, and its manager owns exactly what it claims", () => {
  fc.assert(
    fc.property(history, config, (state, by) => {
      const { object, owners } = apply(state, by, "one");
      const own = [...owners.values()].find(({ manager, operation }) => manager === "one" && operation === "Apply");
      assert.deepEqual(shown(own?.fields ?? nothing), shown(claims(by)));
      const { modified, added } = compareFields(object, apply({ object, owners: new Map() }, by, "x").object, schema);
      assert.deepEqual([modified, added], [nothing, nothing]);
    }),
  );
});

test("nobody owns what is not there", () => {
  fc.assert(
    fc.property(history, ({ object, owners }) => {
      for (const owner of owners.values())
        assert.ok(isWithin(owner.fields, all(object)), `${owner.manager}: ${shown(owner.fields).join(", ")}`);
    }),
  );
});

test("after a plain write its fields belong to the writer alone, and nobody else has won any", () => {
  fc.assert(
    fc.property(history, config, (state, object) => {
      const { added, modified } = compareFields(state.object, object, schema);
      const taken = union(added, modified);
      for (const [id, owner] of write(state, object, "writer").owners) {
        if (owner.manager === "writer") continue;
        assert.ok(isEmpty(intersection(owner.fields, taken)));
        assert.ok(isWithin(owner.fields, state.owners.get(id)?.fields ?? nothing));
      }
    }),
  );
});

test("an apply removes only what its manager applied before and nobody else owns", () => {
  fc.assert(
    fc.property(history, config, (state, by) => {
      const last = [...state.owners.values()].find(
        ({ manager, operation }) => manager === "one" && operation === "Apply",
      );
      const { object } = apply(state, by, "one");
      const { removed, modified } = compareFields(state.object, object, schema);
      const pruned = without(intersection(removed, claims(state.object)), modified);
      // An item that nobody else claims goes as a whole.
      assert.deepEqual(shown(without(pruned, last?.fields ?? nothing)), []);
      for (const [, owner] of state.owners)
        if (owner !== last) assert.deepEqual(shown(intersection(owner.fields, topmost(pruned))), []);
    }),
  );
});

function topmost(set: FieldSet): FieldSet {
  return Object.fromEntries(
    Object.entries(set).map(([element, below]) => [element, isMember(below) ? nothing : topmost(below)]),
  );
}

/** What is in none of `replaced`: what was in a value that became one of another type went with it. */
function without(set: FieldSet, replaced: FieldSet): FieldSet {
  const out: Record<string, FieldSet> = {};
  for (const [element, below] of Object.entries(set)) {
    const other = replaced[element];
    if (other === undefined) out[element] = below;
    else if (!isMember(other) && !isEmpty(without(below, other))) out[element] = without(below, other);
  }
  return out;
}

test("two managers that claim nothing in common may apply in either order", () => {
  fc.assert(
    fc.property(apart, ([left, right]) => {
      const forth = apply(apply(empty, left, "one"), right, "two");
      const back = apply(apply(empty, right, "two"), left, "one");
      assert.deepEqual([forth.conflicts, back.conflicts], [[], []]);
      // The order of a list's items is that of arrival.
      assert.ok(isSameFields(compareFields(forth.object, back.object, schema)));
      assert.deepEqual(fieldsOf(forth.owners.values()), fieldsOf(back.owners.values()));
    }),
  );
});

test("of two managers that claim nothing in common, one that leaves takes its own fields along and no others", () => {
  fc.assert(
    fc.property(apart, ([left, right]) => {
      const both = apply(apply(empty, left, "one"), right, "two");
      const { object } = apply(both, { metadata: {} }, "one");
      assert.deepEqual(shown(claims(object)), shown(claims(right)));
    }),
  );
});

test("taking over by force leaves no two managers that want different things of one field", () => {
  fc.assert(
    fc.property(history, config, (state, by) => {
      const { conflicts, owners } = apply(state, by, "one");
      for (const { owner, fields } of conflicts) {
        const left = [...owners.values()].find(
          ({ manager, operation }) => manager === owner.manager && operation === owner.operation,
        );
        assert.ok(isEmpty(intersection(left?.fields ?? nothing, fields)));
      }
    }),
  );
});

test("the algebra of field sets is that of sets of paths", () => {
  const set = config.map(claims);
  fc.assert(
    fc.property(set, set, (a, b) => {
      const [left, right] = [new Set(shown(a)), new Set(shown(b))];
      assert.deepEqual(new Set(shown(union(a, b))), new Set([...left, ...right]));
      assert.deepEqual(
        shown(intersection(a, b)),
        [...left].filter((path) => right.has(path)),
      );
      assert.deepEqual(
        shown(difference(a, b)),
        [...left].filter((path) => !right.has(path)),
      );
    }),
  );
});
