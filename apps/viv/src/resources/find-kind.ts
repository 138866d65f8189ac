// From what people type to a kind: `vm`, `VirtualMachine`, `virtualmachines`, `virtualmachines.infra.virtrigaud.io`.

import { coreKinds, kinds, type KindDefinition } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";

const all: readonly KindDefinition[] = [...kinds, ...coreKinds];

export function findKind(word: string): KindDefinition {
  const wanted = word.toLowerCase();
  const found = all.find((kind) => namesOf(kind).includes(wanted));
  if (found !== undefined) return found;
  throw new CliUserError(`There is no kind "${word}".`, {
    fix: [`Use one of ${all.map((kind) => [kind.plural, ...kind.shortNames].join("/")).join(", ")}.`],
    exit: "usage",
  });
}

function namesOf(kind: KindDefinition): readonly string[] {
  const plain = [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames];
  return kind.group === "" ? plain : [...plain, `${kind.plural}.${kind.group}`, `${kind.singular}.${kind.group}`];
}

/** The kind of an object in a manifest, by apiVersion and kind. */
export function kindOf(object: { readonly apiVersion: string; readonly kind: string }): KindDefinition | undefined {
  return all.find((kind) => {
    const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
    return apiVersion === object.apiVersion && kind.kind === object.kind;
  });
}

/** One thing named on a command line. `name` is absent for "all of the kind". */
export interface ObjectReference {
  readonly kind: KindDefinition;
  readonly name?: string;
}

/** `vm web-1 web-2`, `vm/web-1 image/debian`, `vm,image`, or `all` for the kinds of that category. */
export function parseReferences(first: string, names: readonly string[]): readonly ObjectReference[] {
  if (first.includes("/")) return [first, ...names].map((word) => parseSlashed(word));
  const selected = first.split(",").flatMap((word) => kindsFor(word));
  if (names.length === 0) return selected.map((kind) => ({ kind }));
  if (selected.length > 1) {
    throw new CliUserError("Names need one kind.", {
      fix: ["Use kind/name for objects of several kinds."],
      exit: "usage",
    });
  }
  const [kind] = selected;
  return kind === undefined ? [] : names.map((name) => ({ kind, name }));
}

function kindsFor(word: string): readonly KindDefinition[] {
  const inCategory = all.filter((kind) => kind.categories.includes(word));
  return inCategory.length > 0 ? inCategory : [findKind(word)];
}

function parseSlashed(word: string): ObjectReference {
  const [kind = "", name = "", ...rest] = word.split("/");
  if (name === "" || rest.length > 0) {
    throw new CliUserError(`Cannot read "${word}".`, {
      fix: ["Write kind/name, for example vm/web-1."],
      exit: "usage",
    });
  }
  return { kind: findKind(kind), name };
}
