// Which keywords a schema in a CustomResourceDefinition may have, and of what type each is. The kind's own schema cannot say this, since
// schemas hold schemas.

import { wrongType, type FieldError } from "../schema/field-error.ts";

type KeywordType =
  | "string"
  | "boolean"
  | "integer"
  | "number"
  | "any"
  | "values"
  | "strings"
  | "schema"
  | "schemas"
  | "schemaMap"
  | "schemaOrBoolean"
  | "rules"
  | "object";

const keywordTypes: Readonly<Record<string, KeywordType>> = {
  id: "string",
  $schema: "string",
  $ref: "string",
  description: "string",
  type: "string",
  format: "string",
  title: "string",
  default: "any",
  example: "any",
  maximum: "number",
  exclusiveMaximum: "boolean",
  minimum: "number",
  exclusiveMinimum: "boolean",
  maxLength: "integer",
  minLength: "integer",
  pattern: "string",
  maxItems: "integer",
  minItems: "integer",
  uniqueItems: "boolean",
  multipleOf: "number",
  enum: "values",
  maxProperties: "integer",
  minProperties: "integer",
  required: "strings",
  items: "schema",
  allOf: "schemas",
  oneOf: "schemas",
  anyOf: "schemas",
  not: "schema",
  properties: "schemaMap",
  additionalProperties: "schemaOrBoolean",
  patternProperties: "schemaMap",
  dependencies: "object",
  additionalItems: "schemaOrBoolean",
  definitions: "schemaMap",
  externalDocs: "object",
  nullable: "boolean",
  "x-kubernetes-preserve-unknown-fields": "boolean",
  "x-kubernetes-embedded-resource": "boolean",
  "x-kubernetes-int-or-string": "boolean",
  "x-kubernetes-list-map-keys": "strings",
  "x-kubernetes-list-type": "string",
  "x-kubernetes-map-type": "string",
  "x-kubernetes-validations": "rules",
};

const ruleKeywords: Readonly<Record<string, "string" | "boolean">> = {
  rule: "string",
  message: "string",
  messageExpression: "string",
  reason: "string",
  fieldPath: "string",
  optionalOldSelf: "boolean",
};

/** Removes keywords that no schema has; returns their paths. */
export function pruneKeywords(schema: unknown, path: string): string[] {
  return [...walk(schema, path)].flatMap((node) => {
    const unknown = Object.keys(node.schema).filter((keyword) => !Object.hasOwn(keywordTypes, keyword));
    for (const keyword of unknown) delete node.schema[keyword];
    return unknown.map((keyword) => `${node.path}.${keyword}`);
  });
}

/** Keywords whose value is of another type than the keyword wants. Empty: the schema can be read as a JsonSchema. */
export function checkKeywords(schema: unknown, path: string): FieldError[] {
  if (!isRecord(schema)) return [wrongType(path, schema, "object")];
  return [...walk(schema, path)].flatMap((node) =>
    Object.entries(node.schema).flatMap(([keyword, value]) => {
      const type = Object.hasOwn(keywordTypes, keyword) ? keywordTypes[keyword] : undefined;
      return type === undefined ? [] : checkType(value, type, `${node.path}.${keyword}`);
    }),
  );
}

function checkType(value: unknown, type: KeywordType, path: string): FieldError[] {
  switch (type) {
    case "any":
      return [];
    case "string":
    case "boolean":
    case "number":
      return typeof value === type ? [] : [wrongType(path, value, type)];
    case "integer":
      return Number.isInteger(value) ? [] : [wrongType(path, value, type)];
    case "object":
    case "schema":
      return isRecord(value) ? [] : [wrongType(path, value, "object")];
    case "schemaOrBoolean":
      return isRecord(value) || typeof value === "boolean" ? [] : [wrongType(path, value, "object,boolean")];
    case "values":
      return Array.isArray(value) ? [] : [wrongType(path, value, "array")];
    case "strings":
      return eachOf(value, path, (item, at) => (typeof item === "string" ? [] : [wrongType(at, item, "string")]));
    case "schemas":
      return eachOf(value, path, (item, at) => (isRecord(item) ? [] : [wrongType(at, item, "object")]));
    case "schemaMap":
      if (!isRecord(value)) return [wrongType(path, value, "object")];
      return Object.entries(value).flatMap(([name, child]) =>
        isRecord(child) ? [] : [wrongType(`${path}[${name}]`, child, "object")],
      );
    case "rules":
      return eachOf(value, path, (item, at) => {
        if (!isRecord(item)) return [wrongType(at, item, "object")];
        return Object.entries(ruleKeywords).flatMap(([field, wanted]) =>
          item[field] === undefined || typeof item[field] === wanted
            ? []
            : [wrongType(`${at}.${field}`, item[field], wanted)],
        );
      });
  }
}

function eachOf(value: unknown, path: string, check: (item: unknown, path: string) => FieldError[]): FieldError[] {
  if (!Array.isArray(value)) return [wrongType(path, value, "array")];
  return value.flatMap((item: unknown, index) => check(item, `${path}[${index}]`));
}

interface Node {
  readonly schema: Record<string, unknown>;
  readonly path: string;
}

/** Every schema within a schema, as far as its parts are schemas at all. */
function* walk(schema: unknown, path: string): Generator<Node> {
  if (!isRecord(schema)) return;
  yield { schema, path };
  for (const [keyword, value] of Object.entries(schema)) {
    const type = Object.hasOwn(keywordTypes, keyword) ? keywordTypes[keyword] : undefined;
    const at = `${path}.${keyword}`;
    if (type === "schema" || type === "schemaOrBoolean") yield* walk(value, at);
    else if (type === "schemas" && Array.isArray(value))
      for (const [index, item] of value.entries()) yield* walk(item, `${at}[${index}]`);
    else if (type === "schemaMap" && isRecord(value))
      for (const [name, child] of Object.entries(value)) yield* walk(child, `${at}[${name}]`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
