// The CEL types of a structural schema, and how stored JSON becomes values of them: integers are ints, objects with declared fields have
// these fields and no others, formats that mean a time are times.

import type { Environment } from "@marcbachmann/cel-js";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { newEnvironment } from "./base-environment.ts";
import { escapeField } from "./escape-field.ts";
import { isEqual } from "./is-equal.ts";

export interface SchemaType {
  /** As signatures write it, for example `list<int>`. */
  readonly name: string;
  /** What is not of the type, which validation has let pass because it was so before, stays as it is. */
  convert(value: unknown): unknown;
}

export class SchemaTypes {
  readonly #environment: Environment;
  readonly #toDuration: (text: string) => unknown;
  readonly #known = new Map<JsonSchema, SchemaType | undefined>();
  #count = 0;

  /** Types are registered in `environment`. */
  constructor(environment: Environment) {
    this.#environment = environment;
    // The library makes durations only in expressions.
    const parse = newEnvironment().registerVariable("text", "string").parse("duration(text)");
    this.#toDuration = (text) => parse({ text }) as unknown;
  }

  /** Undefined for what expressions cannot reach: fields whose type is not declared. */
  of(schema: JsonSchema): SchemaType | undefined {
    if (this.#known.has(schema)) return this.#known.get(schema);
    const type = this.#make(schema);
    const nullable: SchemaType | undefined =
      type !== undefined && schema.nullable === true
        ? { name: "dyn", convert: (value) => (value === null ? null : type.convert(value)) }
        : type;
    this.#known.set(schema, nullable);
    return nullable;
  }

  #make(schema: JsonSchema): SchemaType | undefined {
    if (schema["x-kubernetes-int-or-string"] === true) return { name: "dyn", convert: toInt };
    switch (schema.type) {
      case "integer":
        return { name: "int", convert: toInt };
      case "number":
        return { name: "double", convert: (value) => value };
      case "boolean":
        return { name: "bool", convert: (value) => value };
      case "string":
        return this.#string(schema.format);
      case "array":
        return this.#list(schema.items);
      case "object":
        return typeof schema.additionalProperties === "object"
          ? this.#map(schema.additionalProperties)
          : this.#object(schema);
      default:
        return undefined;
    }
  }

  #string(format: string | undefined): SchemaType {
    const when = (convert: (text: string) => unknown) => (value: unknown) =>
      typeof value === "string" ? convert(value) : value;
    switch (format) {
      case "date":
      case "date-time":
        return { name: "google.protobuf.Timestamp", convert: when((text) => new Date(text)) };
      case "duration":
        return { name: "google.protobuf.Duration", convert: when(this.#toDuration) };
      case "byte":
        return { name: "bytes", convert: when((text) => new Uint8Array(Buffer.from(text, "base64"))) };
      default:
        return { name: "string", convert: (value) => value };
    }
  }

  #list(items: JsonSchema | undefined): SchemaType {
    const item = items === undefined ? undefined : this.of(items);
    return {
      name: `list<${item?.name ?? "dyn"}>`,
      convert: (value) =>
        Array.isArray(value) && item !== undefined ? value.map((each) => item.convert(each)) : value,
    };
  }

  #map(values: JsonSchema): SchemaType {
    const type = this.of(values);
    return {
      name: `map<string, ${type?.name ?? "dyn"}>`,
      convert: (value) =>
        isObject(value)
          ? new Map(Object.entries(value).map(([key, each]) => [key, type === undefined ? each : type.convert(each)]))
          : value,
    };
  }

  #object(schema: JsonSchema): SchemaType {
    const name = `Object${++this.#count}`;
    const fields = Object.entries(schema.properties ?? {}).flatMap(([field, child]) => {
      const type = this.of(child);
      const escaped = escapeField(field);
      return type === undefined || escaped === undefined ? [] : [{ field, escaped, type }];
    });
    // The library tells types apart by their constructors.
    class Fields {
      [field: string]: unknown;
    }
    this.#environment.registerType(name, {
      ctor: Fields,
      fields: Object.fromEntries(fields.map(({ escaped, type }) => [escaped, type.name])),
    });
    this.#environment.registerOperator(`${name} == ${name}`, isEqual);
    return {
      name,
      convert: (value) => {
        if (!isObject(value)) return value;
        const converted = new Fields();
        for (const { field, escaped, type } of fields)
          if (Object.hasOwn(value, field)) converted[escaped] = type.convert(value[field]);
        return converted;
      },
    };
  }
}

function toInt(value: unknown): unknown {
  return Number.isInteger(value) ? BigInt(value as number) : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
