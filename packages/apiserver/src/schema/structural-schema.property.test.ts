// Pruning, defaulting and validation over generated schemas and objects, against the plainest reading of what the keywords mean.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { applyDefaults } from "./apply-defaults.ts";
import { prune } from "./prune.ts";
import { compileValidator } from "./schema-validator.ts";

const names = fc.constantFrom("a", "b", "c", "d");
const nullable = fc.constantFrom({}, { nullable: true });

const { schema } = fc.letrec<{ schema: JsonSchema; object: JsonSchema; list: JsonSchema; map: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, depthIdentifier: "schema" },
    fc.tuple(scalar(), nullable).map(([each, extra]) => ({ ...each, ...extra })),
    tie("object"),
    tie("list"),
    tie("map"),
  ),
  object: fc
    .record({
      properties: fc.dictionary(names, tie("schema"), { maxKeys: 3 }),
      required: fc.uniqueArray(names, { maxLength: 2 }),
      "x-kubernetes-preserve-unknown-fields": fc.constantFrom(true, undefined),
    })
    .map(({ properties, required, ...rest }) => ({
      type: "object",
      properties,
      required: required.filter((name) => Object.hasOwn(properties, name)),
      ...(rest["x-kubernetes-preserve-unknown-fields"] === true && rest),
    })) as fc.Arbitrary<JsonSchema>,
  list: fc
    .tuple(tie("schema"), fc.constantFrom({}, { maxItems: 1 }, { minItems: 1 }))
    .map(([items, extra]) => ({ type: "array", items, ...extra })),
  map: tie("schema").map((additionalProperties) => ({ type: "object", additionalProperties })),
}));

function scalar(): fc.Arbitrary<JsonSchema> {
  return fc.constantFrom<JsonSchema>(
    { type: "string" },
    { type: "string", enum: ["x", "y"] },
    { type: "string", minLength: 2, default: "xy" },
    { type: "string", pattern: "^x" },
    { type: "integer" },
    { type: "integer", minimum: 1, default: 3 },
    { type: "number", maximum: 1.5 },
    { type: "boolean", default: false },
    { "x-kubernetes-int-or-string": true },
  );
}

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: "value" },
    fc.constantFrom<unknown>("x", "y", "xyz", "", 0, 1, 2, 1.5, -1, true, false, null),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(names, tie("value"), { maxKeys: 3 }),
  ),
}));

/** Whether a value that is pruned and defaulted is valid; keyword by keyword. */
function isValid(given: unknown, node: JsonSchema): boolean {
  if (given === null && node.nullable === true) return true;
  if (node["x-kubernetes-int-or-string"] === true) return typeof given === "string" || Number.isInteger(given);
  switch (node.type) {
    case "string":
      return (
        typeof given === "string" &&
        node.enum?.includes(given) !== false &&
        given.length >= (node.minLength ?? 0) &&
        (node.pattern === undefined || given.startsWith("x"))
      );
    case "integer":
      return Number.isInteger(given) && Number(given) >= (node.minimum ?? -Infinity);
    case "number":
      return typeof given === "number" && given <= (node.maximum ?? Infinity);
    case "boolean":
      return typeof given === "boolean";
    case "array":
      return (
        Array.isArray(given) &&
        given.length <= (node.maxItems ?? Infinity) &&
        given.length >= (node.minItems ?? 0) &&
        given.every((item) => isValid(item, node.items ?? {}))
      );
    default:
      return (
        typeof given === "object" &&
        given !== null &&
        !Array.isArray(given) &&
        (node.required ?? []).every((name) => Object.hasOwn(given, name)) &&
        Object.entries(given).every(([name, child]) => {
          const known = node.properties?.[name] ?? node.additionalProperties;
          return typeof known !== "object" || isValid(child, known);
        })
      );
  }
}

function completed(given: unknown, node: JsonSchema): unknown {
  const copy = structuredClone(given);
  prune(copy, node);
  applyDefaults(copy, node);
  return copy;
}

test("pruning twice is pruning once, and what is left is known", () => {
  fc.assert(
    fc.property(schema, value, (node, given) => {
      const once = structuredClone(given);
      prune(once, node);
      const twice = structuredClone(once);
      assert.deepEqual(prune(twice, node), []);
      assert.deepEqual(twice, once);
    }),
  );
});

test("defaulting twice is defaulting once, and defaults are never pruned", () => {
  fc.assert(
    fc.property(schema, value, (node, given) => {
      const once = completed(given, node);
      assert.deepEqual(completed(once, node), once);
    }),
  );
});

test("the compiled validator finds an error exactly where the keywords say that there is one", () => {
  fc.assert(
    fc.property(schema, value, (node, given) => {
      const object = completed(given, node);
      assert.equal(compileValidator(node)(object).length === 0, isValid(object, node));
    }),
    { numRuns: 300 },
  );
});

test("an object that has not changed is valid as an update, and a valid one stays valid", () => {
  fc.assert(
    fc.property(schema, value, value, (node, given, before) => {
      const [object, old] = [completed(given, node), completed(before, node)];
      const validate = compileValidator(node);
      assert.deepEqual(validate(object, structuredClone(object)), []);
      const [asNew, asUpdate] = [validate(object), validate(object, old)];
      assert.ok(asUpdate.length <= asNew.length);
    }),
    { numRuns: 300 },
  );
});
