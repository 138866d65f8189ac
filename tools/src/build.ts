// Bundles the command into one file, dist/viv.mjs, that needs nothing but Node.

import { build } from "esbuild";
import { repositoryRoot } from "./repository.ts";

const result = await build({
  absWorkingDir: repositoryRoot,
  entryPoints: ["apps/viv/src/main.ts"],
  outfile: "dist/viv.mjs",
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
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
for (const [file, output] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith(".mjs")) console.log(`${file}: ${Math.round(output.bytes / 1024)} KiB`);
}
