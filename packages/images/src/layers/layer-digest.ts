// The name of a layer by what it is made of: the digest of its parent and the recipe. The same two give the same layer, so that it is built
// once; a change of either is another layer, and so is everything upon it. Pure.

import { createHash } from "node:crypto";
import type { Recipe } from "@vivarium/api";
import { provisionVersion } from "./provision-script.ts";

type Repository = NonNullable<Recipe["repositories"]>[number];
type RecipeFile = NonNullable<Recipe["files"]>[number];

/** The recipe in its one form: nothing that means the same is written in two ways. */
export function canonicalRecipe(recipe: Recipe): readonly unknown[] {
  const repository = ({ name, uri, suite, components, key, keyURL }: Repository): unknown[] => [
    name,
    uri,
    suite,
    components ?? [],
    key ?? null,
    keyURL ?? null,
  ];
  const file = ({ path, content, mode }: RecipeFile): unknown[] => [path, content, (mode ?? "0644").padStart(4, "0")];
  return [
    // Installed in one go and written in any order; commands and proofs run in theirs.
    [...new Set(recipe.packages)].toSorted(),
    (recipe.repositories ?? []).map(repository).toSorted(byName),
    (recipe.files ?? []).map(file).toSorted(byName),
    recipe.commands ?? [],
    recipe.verify ?? [],
  ];
}

/** Of a recipe alone: `sha256:` and 64 hex digits. */
export function recipeDigestOf(recipe: Recipe): string {
  return digestOf([provisionVersion, canonicalRecipe(recipe)]);
}

/** `sha256:` and 64 hex digits. `parentDigest` is that of the image's bytes, or of a layer. */
export function layerDigestOf(parentDigest: string, recipe: Recipe): string {
  return digestOf(["layer", parentDigest, recipeDigestOf(recipe)]);
}

/** What a role does on one distribution: first what it always does. */
export function mergeRecipes(first: Recipe, second: Recipe | undefined): Recipe {
  if (second === undefined) return first;
  const merged: Recipe = {};
  for (const key of ["reachable", "repositories", "packages", "files", "commands", "verify"] as const) {
    const list = [...(first[key] ?? []), ...(second[key] ?? [])];
    if (list.length > 0) Object.assign(merged, { [key]: list });
  }
  return merged;
}

function byName(one: readonly unknown[], other: readonly unknown[]): number {
  return String(one[0]) < String(other[0]) ? -1 : 1;
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(JSON.stringify(value)).digest("hex")}`;
}
