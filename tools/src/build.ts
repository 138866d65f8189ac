// Bundles the command into one file, dist/viv.mjs, that needs nothing but Node.

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { repositoryRoot } from "./repository.ts";

const program = "dist/viv.mjs";
const result = await build({
  absWorkingDir: repositoryRoot,
  entryPoints: ["apps/viv/src/main.ts"],
  outfile: program,
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
  // Node holds the text of a program that runs: without its comments and indentation it is a quarter shorter, and all ASCII: one other
  // character, and each takes two bytes. Names stay, for those who read a stack.
  minifyWhitespace: true,
  lineLimit: 160,
  sourcemap: "linked",
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
  banner: {
    // Node would let the part of the heap where objects are young grow to 128 MB; with 16 MB for each half nothing gets slower.
    // CommonJS packages in the bundle call require(), which ES modules lack.
    js: [
      "#!/usr/bin/env -S node --max-semi-space-size=16",
      'import { createRequire as __createRequire } from "node:module";',
      "const require = __createRequire(import.meta.url);",
    ].join("\n"),
  },
});
// What esbuild leaves as it is stands in regular expressions, where an escape means the same.
const path = `${repositoryRoot}/${program}`;
const escaped = (await readFile(path, "utf8")).replaceAll(/[\u0080-\uffff]/g, (character) => {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
});
await writeFile(path, escaped);
for (const [file, output] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith(".mjs")) console.log(`${file}: ${Math.round(output.bytes / 1024)} KiB`);
}
