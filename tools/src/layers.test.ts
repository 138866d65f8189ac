import assert from "node:assert/strict";
import { test } from "node:test";
import { findLayerViolations } from "./layers.ts";
import type { LayerPackage } from "./layers.ts";

function pkg(folder: string, dependencies: string[] = [], devDependencies: string[] = []): LayerPackage {
  return { name: `@vivarium/${folder.split("/").at(-1)}`, folder, dependencies, devDependencies };
}

const api = pkg("packages/api");
const store = pkg("packages/store", ["@vivarium/api", "pino"]);
const viv = pkg("apps/viv", ["@vivarium/api", "@vivarium/store"]);

function check(path: string, imports: string[], packages = [api, store, viv]): string[] {
  return findLayerViolations([{ path, imports }], packages, { rootDevDependencies: ["fast-check"] });
}

test("a package imports the ones below it, what it declares, and node", () => {
  assert.deepEqual(check("packages/store/src/a.ts", ["@vivarium/api", "pino", "node:fs", "./b.ts", "../src/b.ts"]), []);
});

test("an import upwards is refused, and so is the dependency that allows it", () => {
  const upwards = pkg("packages/api", ["@vivarium/store"]);
  const violations = check("packages/api/src/a.ts", ["@vivarium/store"], [upwards, store, viv]);
  assert.equal(violations.length, 2);
  assert.match(violations[0] ?? "", /^packages\/api\/package\.json: may not import @vivarium\/store/);
});

test("another package's inside is refused", () => {
  assert.match(check("packages/store/src/a.ts", ["@vivarium/api/src/meta.ts"])[0] ?? "", /reaches into/);
  assert.match(check("packages/store/src/a.ts", ["../../api/src/meta.ts"])[0] ?? "", /leaves the package/);
});

test("a package that is not declared is refused", () => {
  assert.match(check("packages/store/src/a.ts", ["yaml"])[0] ?? "", /"yaml" is not in packages\/store\/package\.json/);
});

test("nothing imports an app", () => {
  const e2e = pkg("e2e", ["@vivarium/viv"]);
  assert.equal(check("e2e/src/a.ts", ["@vivarium/viv"], [api, viv, e2e]).length, 2);
});

test("a test may use the repository's test tools, other code may not", () => {
  assert.deepEqual(check("packages/store/src/a.test.ts", ["fast-check"]), []);
  assert.equal(check("packages/store/src/a.ts", ["fast-check"]).length, 1);
});

test("only test code imports test code", () => {
  assert.deepEqual(check("packages/store/src/a.testing.ts", ["fast-check", "./b.ts"]), []);
  assert.match(check("packages/store/src/a.ts", ["./testing/b.ts"])[0] ?? "", /is test code/);
});

test("a test may use a package above its own when that is a devDependency", () => {
  const client = pkg("packages/client", ["@vivarium/api"], ["@vivarium/store"]);
  assert.deepEqual(check("packages/client/src/a.test.ts", ["@vivarium/store"], [api, store, client]), []);
  assert.equal(check("packages/client/src/a.ts", ["@vivarium/store"], [api, store, client]).length, 1);
});

test("a module outside of every package is refused", () => {
  assert.match(check("scripts/a.ts", [])[0] ?? "", /belongs to no package/);
});
