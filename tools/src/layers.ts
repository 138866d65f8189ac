// Which package may import which. Imports point one way, so that each package can be understood, tested and replaced without
// the ones above it.

/** What the code of each package may import of ours; a package that is not here may import nothing of ours. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "packages/api": [],
  "packages/libvirt": [],
  "packages/store": ["api"],
  "packages/apiserver": ["api", "store"],
  "packages/client": ["api"],
  "packages/runtime": ["api", "client"],
  "packages/provider": ["api"],
  "packages/images": ["api"],
  "packages/controllers": ["api", "client", "runtime", "provider", "images"],
  "packages/provider-libvirt": ["api", "provider", "libvirt"],
};

/** Folders whose code puts the rest together, and may import every package. */
const composers = ["apps/viv", "e2e", "bench", "tools"];

export interface Module {
  /** Path from the root of the repository. */
  readonly path: string;
  /** What it imports, as written. */
  readonly imports: readonly string[];
}

export interface LayerPackage {
  readonly name: string;
  readonly folder: string;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

/** One sentence for each import or dependency that is not allowed. */
export function findLayerViolations(
  modules: readonly Module[],
  packages: readonly LayerPackage[],
  options: { readonly rootDevDependencies: readonly string[] },
): string[] {
  const violations: string[] = [];
  for (const owner of packages) {
    for (const dependency of owner.dependencies) {
      const reason = packageViolation(owner, dependency, packages);
      if (reason !== undefined) violations.push(`${owner.folder}/package.json: ${reason}`);
    }
  }
  for (const module of modules) {
    const owner = packages.find((each) => module.path.startsWith(`${each.folder}/`));
    if (owner === undefined) {
      violations.push(`${module.path}: belongs to no package`);
      continue;
    }
    for (const specifier of module.imports) {
      const reason = specifier.startsWith(".")
        ? relativeViolation(module.path, specifier, owner)
        : importViolation(module.path, specifier, { owner, packages, ...options });
      if (reason !== undefined) violations.push(`${module.path}: ${reason}`);
    }
  }
  return violations;
}

function relativeViolation(path: string, specifier: string, owner: LayerPackage): string | undefined {
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  if (!target.startsWith(`${owner.folder}/`))
    return `"${specifier}" leaves the package; import the other package by its name`;
  return isTestCode(target) && !isTestCode(path) ? `imports "${specifier}", which is test code` : undefined;
}

function importViolation(
  path: string,
  specifier: string,
  context: {
    readonly owner: LayerPackage;
    readonly packages: readonly LayerPackage[];
    readonly rootDevDependencies: readonly string[];
  },
): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  const { owner, packages, rootDevDependencies } = context;
  const name = packageNameOf(specifier);
  const isTest = isTestCode(path);
  const isOurs = packages.some((each) => each.name === name);
  if (isOurs && name === owner.name) return `imports its own package by name; use a relative path`;
  if (isOurs && specifier !== name) return `"${specifier}" reaches into another package; its index is the only entry`;

  const declared =
    owner.dependencies.includes(name) || (isTest && [...owner.devDependencies, ...rootDevDependencies].includes(name));
  if (!declared) return `"${name}" is not in ${owner.folder}/package.json`;
  // A test may use what is above it as a real peer; then it is a devDependency.
  if (isOurs && isTest && owner.devDependencies.includes(name)) return appViolation(name, packages);
  return isOurs ? packageViolation(owner, name, packages) : undefined;
}

function packageViolation(owner: LayerPackage, name: string, packages: readonly LayerPackage[]): string | undefined {
  const target = packages.find((each) => each.name === name);
  if (target === undefined) return undefined;
  const isAllowed =
    composers.includes(owner.folder) ||
    (allowed[owner.folder] ?? []).some((each) => target.folder === `packages/${each}`);
  return appViolation(name, packages) ?? (isAllowed ? undefined : `may not import ${target.name}: it is not below it`);
}

function appViolation(name: string, packages: readonly LayerPackage[]): string | undefined {
  const target = packages.find((each) => each.name === name);
  return target?.folder.startsWith("apps/") === true ? `imports ${name}, which is a program` : undefined;
}

/** Tests, and what only they use. */
function isTestCode(path: string): boolean {
  return /\.(test|testing)\.ts$|\/src\/testing\//.test(path);
}

/** `@scope/name` or `name`. */
function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
