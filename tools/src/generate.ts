// Writes what follows from the kinds: deploy/crds/*.yaml and docs/reference/*.md. With `--check` it writes nothing and fails when
// a file is not what it would have written.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { coreKinds, kinds, toCustomResourceDefinition } from "@vivarium/api";
import { toKubernetesYaml } from "./kubernetes-yaml.ts";
import { kindFileName, toReferenceIndex, toReferencePage } from "./reference-page.ts";
import { findFiles, repositoryRoot } from "./repository.ts";

const notice = "# Generated from packages/api by `npm run generate`; do not edit.\n";

const wanted = new Map<string, string>();
for (const kind of kinds) {
  const definition = toCustomResourceDefinition(kind);
  wanted.set(`deploy/crds/${definition.metadata.name}.yaml`, notice + toKubernetesYaml(definition));
}
for (const kind of [...kinds, ...coreKinds]) wanted.set(`docs/reference/${kindFileName(kind)}`, toReferencePage(kind));
wanted.set("docs/reference/README.md", toReferenceIndex(kinds, coreKinds));

/** Of no kind. */
const others = ["docs/reference/events.md", "docs/reference/metrics.md"];
const files = await findFiles(["deploy/crds/*.yaml", "docs/reference/*.md"]);
const stale = files.filter((file) => !wanted.has(file) && !others.includes(file));
const changed: string[] = [];
for (const [file, text] of wanted) if ((await readIfThere(file)) !== text) changed.push(file);

if (process.argv.includes("--check")) {
  for (const file of changed) console.error(`${file}: differs from what the kinds say; run \`npm run generate\``);
  for (const file of stale) console.error(`${file}: belongs to no kind; run \`npm run generate\``);
  if (changed.length + stale.length > 0) process.exitCode = 1;
  console.log(`generated: ${wanted.size} files, ${changed.length + stale.length} out of date`);
} else {
  for (const file of changed) {
    await mkdir(dirname(join(repositoryRoot, file)), { recursive: true });
    await writeFile(join(repositoryRoot, file), wanted.get(file) ?? "");
    console.log(`wrote ${file}`);
  }
  for (const file of stale) {
    await rm(join(repositoryRoot, file));
    console.log(`removed ${file}`);
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(join(repositoryRoot, file), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
