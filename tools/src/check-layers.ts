// Fails when a module imports what it may not; see layers.ts for the rules.

import { parseSync } from "oxc-parser";
import { findLayerViolations } from "./layers.ts";
import type { Module } from "./layers.ts";
import { findFiles, readDependencies, readRepositoryFile, readWorkspacePackages } from "./repository.ts";

const paths = await findFiles(["{packages,apps}/*/src/**/*.ts", "{e2e,bench,tools}/src/**/*.ts"]);
const modules = await Promise.all(paths.map(readModule));
const root = await readDependencies("package.json");
const packages = await readWorkspacePackages();
const violations = findLayerViolations(modules, packages, { rootDevDependencies: root.devDependencies });
for (const violation of violations) console.error(violation);
console.log(`layers: ${modules.length} modules in ${packages.length} packages, ${violations.length} violations`);
// A check that looked at nothing proves nothing.
if (violations.length > 0 || modules.length === 0) process.exitCode = 1;

async function readModule(path: string): Promise<Module> {
  const source = await readRepositoryFile(path);
  const { staticImports, staticExports, dynamicImports } = parseSync(path, source).module;
  const imports = [
    ...staticImports.map((each) => each.moduleRequest.value),
    ...staticExports.flatMap((each) => each.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...dynamicImports.flatMap((each) => literalIn(source.slice(each.moduleRequest.start, each.moduleRequest.end))),
  ];
  return { path, imports: [...new Set(imports)] };
}

/** The text of a string literal; nothing for an import that is computed. */
function literalIn(expression: string): string[] {
  const match = /^(["'`])(.*)\1$/.exec(expression.trim());
  return match?.[2] === undefined ? [] : [match[2]];
}
