// Typed parameters as programs give them: an object of fields, whose types on the wire are known here, not by the caller.

import { invalidArgument } from "../errors/libvirt-error.ts";
import type { TypedParam, TypedParamType } from "../protocol/typed-param.ts";

/** Type of each field that a call takes. `strings`: the field may come more than once. */
export type ParamFields = Readonly<Record<string, TypedParamType | "strings">>;

type ValueOf<T> = T extends "strings"
  ? readonly string[]
  : T extends "string"
    ? string
    : T extends "boolean"
      ? boolean
      : number;

/** What a caller gives for such fields. */
export type ParamValues<F extends ParamFields> = { readonly [K in keyof F]?: ValueOf<F[K]> };

export function paramsOf<F extends ParamFields>(fields: F, values: ParamValues<F>): readonly TypedParam[] {
  const params: TypedParam[] = [];
  for (const [field, value] of Object.entries<unknown>(values)) {
    const type = fields[field];
    if (type === undefined)
      throw invalidArgument(`Cannot send "${field}": expected one of ${Object.keys(fields).join(", ")}`);
    if (value === undefined) continue;
    if (type === "strings") {
      if (!Array.isArray(value)) throw invalidArgument(`Cannot send "${field}": expected a list of strings`);
      for (const one of value as readonly unknown[]) params.push(paramOf(field, "string", one));
    } else {
      params.push(paramOf(field, type, value));
    }
  }
  return params;
}

function paramOf(field: string, type: TypedParamType, value: unknown): TypedParam {
  if (type === "string") {
    if (typeof value === "string") return { field, type, value };
  } else if (type === "boolean") {
    if (typeof value === "boolean") return { field, type, value };
  } else if (typeof value === "number") {
    return { field, type, value };
  }
  throw invalidArgument(`Cannot send "${field}" = ${String(value)}: expected ${type}`);
}
