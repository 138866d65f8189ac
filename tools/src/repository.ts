// Where things are in this repository. Every tool starts from here, whatever directory it was called from.

import { glob, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

export const repositoryRoot = join(import.meta.dirname, "../..");

export interface WorkspacePackage {
  /** `@vivarium/api`. */
  readonly name: string;
  /** Path from the root of the repository: `packages/api`. */
  readonly folder: string;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

interface PackageJson {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Every package of the repository, in a stable order. */
export async function readWorkspacePackages(): Promise<WorkspacePackage[]> {
  const packages: WorkspacePackage[] = [];
  for (const file of await findFiles([
    "packages/*/package.json",
    "apps/*/package.json",
    "{e2e,bench,tools}/package.json",
  ])) {
    packages.push({ ...(await readDependencies(file)), folder: file.slice(0, -"/package.json".length) });
  }
  return packages;
}

/** Name and dependencies of one package.json. */
export async function readDependencies(file: string): Promise<Omit<WorkspacePackage, "folder">> {
  const json = JSON.parse(await readFile(join(repositoryRoot, file), "utf8")) as PackageJson;
  return {
    name: json.name,
    dependencies: Object.keys(json.dependencies ?? {}),
    devDependencies: Object.keys(json.devDependencies ?? {}),
  };
}

/** Files that match, as paths from the root with `/`, sorted. Installed packages never match. */
export async function findFiles(patterns: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for await (const path of glob([...patterns], { cwd: repositoryRoot, exclude: (name) => name === "node_modules" })) {
    found.add(relative(repositoryRoot, join(repositoryRoot, path)));
  }
  return [...found].toSorted();
}

export async function readRepositoryFile(path: string): Promise<string> {
  return readFile(join(repositoryRoot, path), "utf8");
}
