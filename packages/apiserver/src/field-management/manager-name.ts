// What a client calls itself: the fieldManager of its request, or the first part of its User-Agent.

import type { ApiRequest } from "@vivarium/api";
import { StatusError } from "@vivarium/api";
import { invalidValue, tooLong, type FieldError } from "../schema/field-error.ts";

const maxLength = 128;
const optionsKind: Readonly<Record<string, string>> = { POST: "CreateOptions", PUT: "UpdateOptions" };
const printable = /^\P{C}*$/u;

export function managerName(request: ApiRequest): string {
  const given = request.query.get("fieldManager") ?? "";
  if (given !== "") {
    const errors = checkManager(given);
    if (errors.length > 0) throw invalidOptions(optionsKind[request.method] ?? "PatchOptions", errors);
    return given;
  }
  const [product = ""] = (request.headers["user-agent"] ?? "").split("/");
  const name = product.replaceAll(/\p{C}/gu, "").slice(0, maxLength);
  return name === "" ? "unknown" : name;
}

/** The 422 that kube-apiserver answers for options of a request that are wrong. */
export function invalidOptions(kind: string, errors: readonly FieldError[]): StatusError {
  const sentences = errors.map(({ field, message }) => `${field}: ${message}`);
  const all = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  return new StatusError("Invalid", `${kind}.meta.k8s.io "" is invalid: ${all}`, {
    details: { group: "meta.k8s.io", kind, causes: [...errors] },
  });
}

function checkManager(name: string): FieldError[] {
  return [
    ...(name.length > maxLength ? [tooLong("fieldManager", maxLength)] : []),
    ...(printable.test(name) ? [] : [invalidValue("fieldManager", name, "should only contain printable characters")]),
  ];
}
