// remote_typed_param: a named value that says its own type. libvirt uses lists of them wherever fields come and go by version.

import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { bool, double, hyper, int, list, string, uhyper, uint } from "../xdr/codec.ts";
import type { Codec } from "../xdr/codec.ts";

/** virTypedParameterType. */
const typeNumbers = { int: 1, uint: 2, llong: 3, ullong: 4, double: 5, boolean: 6, string: 7 } as const;

export type TypedParamType = keyof typeof typeNumbers;

export type TypedParam =
  | { readonly field: string; readonly type: "int" | "uint" | "llong" | "ullong" | "double"; readonly value: number }
  | { readonly field: string; readonly type: "boolean"; readonly value: boolean }
  | { readonly field: string; readonly type: "string"; readonly value: string };

const typedParam: Codec<TypedParam> = {
  write(writer, param) {
    string.write(writer, param.field);
    writer.int32(typeNumbers[param.type]);
    switch (param.type) {
      case "int":
        int.write(writer, param.value);
        return;
      case "uint":
        uint.write(writer, param.value);
        return;
      case "llong":
        hyper.write(writer, param.value);
        return;
      case "ullong":
        uhyper.write(writer, param.value);
        return;
      case "double":
        double.write(writer, param.value);
        return;
      case "boolean":
        bool.write(writer, param.value);
        return;
      case "string":
        string.write(writer, param.value);
        return;
      default:
        param satisfies never;
    }
  },
  read(reader) {
    const field = string.read(reader);
    const type = reader.int32();
    switch (type) {
      case typeNumbers.int:
        return { field, type: "int", value: int.read(reader) };
      case typeNumbers.uint:
        return { field, type: "uint", value: uint.read(reader) };
      case typeNumbers.llong:
        return { field, type: "llong", value: hyper.read(reader) };
      case typeNumbers.ullong:
        return { field, type: "ullong", value: uhyper.read(reader) };
      case typeNumbers.double:
        return { field, type: "double", value: double.read(reader) };
      case typeNumbers.boolean:
        return { field, type: "boolean", value: bool.read(reader) };
      case typeNumbers.string:
        return { field, type: "string", value: string.read(reader) };
      default:
        // Without its type the length of the value is not known either.
        throw new LibvirtProtocolError(
          `Cannot decode typed parameter "${field}" of libvirt: type ${type}, expected 1 to 7`,
        );
    }
  },
};

export function typedParams(max: number): Codec<readonly TypedParam[]> {
  return list(typedParam, max);
}

/** Values by libvirt's own field names. Numbers are exact up to 2^53, rounded above. */
export type TypedValues = Readonly<Record<string, number | boolean | string>>;

export function valuesOf(params: readonly TypedParam[]): TypedValues {
  const values: Record<string, number | boolean | string> = {};
  for (const { field, value } of params) values[field] = value;
  return values;
}
