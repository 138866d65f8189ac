import assert from "node:assert/strict";
import { test } from "node:test";
import type { Recipe } from "@vivarium/api";
import * as fc from "fast-check";
import { layerDigestOf, mergeRecipes, recipeDigestOf } from "./layer-digest.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const recipes: fc.Arbitrary<Recipe> = fc.record(
  {
    packages: fc.array(word, { maxLength: 6 }),
    files: fc.uniqueArray(fc.record({ path: word.map((name) => `/etc/${name}`), content: fc.string() }), {
      selector: ({ path }) => path,
      maxLength: 4,
    }),
    commands: fc.array(fc.string(), { maxLength: 4 }),
    verify: fc.array(fc.string(), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);

test("the same parent and the same recipe give the same layer, however the recipe is written", () => {
  fc.assert(
    fc.property(digest, recipes, (parent, recipe) => {
      const { packages = [], files = [] } = recipe;
      const other: Recipe = {
        ...recipe,
        packages: [...packages, ...packages].toReversed(),
        files: files.map((file) => ({ ...file, mode: "644" })).toReversed(),
        repositories: [],
      };
      assert.equal(layerDigestOf(parent, other), layerDigestOf(parent, recipe));
    }),
  );
});

test("another parent is another layer, and so is another command, file, proof or package", () => {
  fc.assert(
    fc.property(digest, digest, recipes, fc.string({ minLength: 1 }), (parent, otherParent, recipe, text) => {
      const own = layerDigestOf(parent, recipe);
      if (parent !== otherParent) assert.notEqual(layerDigestOf(otherParent, recipe), own);
      const changed: readonly Recipe[] = [
        { ...recipe, commands: [...(recipe.commands ?? []), text] },
        { ...recipe, verify: [...(recipe.verify ?? []), text] },
        { ...recipe, files: [...(recipe.files ?? []), { path: "/more", content: text }] },
        { ...recipe, packages: [...(recipe.packages ?? []), "0more"] },
      ];
      const digests = new Set([own, ...changed.map((each) => layerDigestOf(parent, each))]);
      assert.equal(digests.size, changed.length + 1);
    }),
  );
});

test("the order of commands counts", () => {
  assert.notEqual(recipeDigestOf({ commands: ["a", "b"] }), recipeDigestOf({ commands: ["b", "a"] }));
});

test("what a distribution needs besides comes after what a role always does", () => {
  assert.deepEqual(mergeRecipes({ packages: ["a"], commands: ["x"] }, { packages: ["b"], verify: ["v"] }), {
    packages: ["a", "b"],
    commands: ["x"],
    verify: ["v"],
  });
  assert.deepEqual(mergeRecipes({ packages: ["a"] }, undefined), { packages: ["a"] });
});
