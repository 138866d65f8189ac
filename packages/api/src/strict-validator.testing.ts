// What an API server makes of an object with `--validate=strict`: schema errors and unknown fields, one line each. For tests.

import { Ajv } from "ajv";
import { toCustomResourceDefinition } from "./custom-resource-definition.ts";
import type { JsonSchema } from "./custom-resource-definition.ts";
import type { KindDefinition } from "./kind.ts";

/** Gives `path: what is wrong` for each error; none when the object is accepted. */
export function strictValidator(kind: KindDefinition): (object: unknown) => string[] {
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
  const validate = ajv.compile(closed(schemaOf(kind)));
  return (object) => {
    validate(object);
    return (validate.errors ?? []).map((error) => {
      const unknown = (error.params as { readonly additionalProperty?: string }).additionalProperty;
      const path = error.instancePath.slice(1).replaceAll("/", ".");
      return `${unknown === undefined ? path : `${path}.${unknown}`}: ${error.message ?? error.keyword}`;
    });
  };
}

export function schemaOf(kind: KindDefinition): JsonSchema {
  return toCustomResourceDefinition(kind).spec.versions[0]?.schema.openAPIV3Schema ?? {};
}

/** The same schema, with every object closed that does not say it takes more. */
function closed(schema: JsonSchema): object {
  const properties = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name,
    name === "metadata" && field.properties === undefined ? field : closed(field),
  ]);
  const isOpen = schema.properties === undefined || schema["x-kubernetes-preserve-unknown-fields"] === true;
  return {
    ...schema,
    ...(schema.properties !== undefined && { properties: Object.fromEntries(properties) as object }),
    ...(!isOpen && { additionalProperties: false }),
    ...(schema.additionalProperties !== undefined && { additionalProperties: closed(schema.additionalProperties) }),
    ...(schema.items !== undefined && { items: closed(schema.items) }),
  };
}
