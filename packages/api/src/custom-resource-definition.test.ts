import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import { toCustomResourceDefinition } from "./custom-resource-definition.ts";
import type { JsonSchema } from "./custom-resource-definition.ts";
import { coreKinds, kinds } from "./kinds.ts";
import { schemaOf } from "./strict-validator.testing.ts";

const all = [...kinds, ...coreKinds];

// What a structural schema may hold: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
const keywords = new Set(
  (
    "type format description default enum pattern minLength maxLength minimum maximum minItems maxItems maxProperties required " +
    "properties additionalProperties items anyOf x-kubernetes-int-or-string x-kubernetes-preserve-unknown-fields " +
    "x-kubernetes-list-type x-kubernetes-list-map-keys"
  ).split(" "),
);

function* walk(schema: JsonSchema, path: string): Generator<{ path: string; schema: JsonSchema }> {
  yield { path, schema };
  for (const [name, field] of Object.entries(schema.properties ?? {})) yield* walk(field, `${path}.${name}`);
  if (schema.items !== undefined) yield* walk(schema.items, `${path}[*]`);
  if (schema.additionalProperties !== undefined) yield* walk(schema.additionalProperties, `${path}.*`);
}

for (const kind of all) {
  const nodes = [...walk(schemaOf(kind), "")];

  test(`${kind.kind}: the schema is structural`, () => {
    for (const { path, schema } of nodes) {
      for (const keyword of Object.keys(schema)) assert.ok(keywords.has(keyword), `${path}: keyword ${keyword}`);
      const mayLackType =
        schema["x-kubernetes-int-or-string"] ?? schema["x-kubernetes-preserve-unknown-fields"] ?? false;
      assert.ok(schema.type !== undefined || mayLackType, `${path}: no type`);
      assert.ok(
        schema.properties === undefined || schema.additionalProperties === undefined,
        `${path}: properties and additionalProperties exclude each other`,
      );
      for (const name of schema.required ?? [])
        assert.ok(schema.properties?.[name] !== undefined, `${path}: requires ${name}`);
    }
  });

  test(`${kind.kind}: every field is explained`, () => {
    const silent = nodes.filter(({ path, schema }) => !path.endsWith(".*") && (schema.description ?? "") === "");
    assert.deepEqual(
      silent.map((node) => node.path),
      [],
    );
  });

  test(`${kind.kind}: every default is valid`, () => {
    const ajv = new Ajv({ strict: false, validateFormats: false });
    for (const { path, schema } of nodes) {
      if (schema.default !== undefined) assert.ok(ajv.validate(schema, schema.default), `${path}: ${ajv.errorsText()}`);
    }
  });

  test(`${kind.kind}: every column shows a field that exists`, () => {
    const paths = new Set(nodes.map((node) => node.path));
    for (const column of kind.printerColumns) {
      if (column.jsonPath.startsWith(".metadata.")) continue;
      const path = column.jsonPath.replace(/\[\?\(.*?\)\]/, "[*]");
      assert.ok(paths.has(path), `${column.name}: ${column.jsonPath}`);
    }
  });
}

test("names follow from the kind", () => {
  const definition = toCustomResourceDefinition(
    kinds.find((kind) => kind.kind === "VMNetworkAttachment") ?? assert.fail(),
  );
  assert.equal(definition.metadata.name, "vmnetworkattachments.infra.virtrigaud.io");
  assert.deepEqual(definition.spec.names, {
    kind: "VMNetworkAttachment",
    listKind: "VMNetworkAttachmentList",
    plural: "vmnetworkattachments",
    singular: "vmnetworkattachment",
    shortNames: ["vmnet"],
  });
  assert.deepEqual(definition.spec.versions[0]?.subresources, { status: {} });
});

test("no two kinds share a name, but for Event, which has two views", () => {
  const kindsOfOneView = all.filter((kind) => kind.group !== "events.k8s.io");
  const names = kindsOfOneView.flatMap((kind) => [...new Set([kind.plural, kind.singular, ...kind.shortNames])]);
  assert.equal(new Set(names).size, names.length);
});
