// Bundles the command into one file, dist/viv.mjs, that needs nothing but Node.

import { readFile } from "node:fs/promises";
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
  // Node holds the text of a program that runs: without its comments and indentation it is a quarter shorter, and Latin-1 throughout, of
  // which a character takes one byte and not two. Names stay, for those who read a stack.
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
const foreign = /[\u0100-\uffff]/.exec(await readFile(`${repositoryRoot}/${program}`, "utf8"));
if (foreign !== null)
  throw new Error(
    `${program} has ${JSON.stringify(foreign[0])} at ${foreign.index}: write it as an escape in the source`,
  );
for (const [file, output] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith(".mjs")) console.log(`${file}: ${Math.round(output.bytes / 1024)} KiB`);
}
