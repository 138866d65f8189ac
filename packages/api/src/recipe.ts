// What is done to a parent image to make a layer of it. A VMRole says it; the layer's VMImage holds it as it was at that time.

import type { Static } from "typebox";
import { entryName } from "./common-fields.ts";
import { list, listByKey, optional, string, struct } from "./fields.ts";

const mostCommands = 100;

const recipeFields = {
  reachable: optional(
    list(
      "URLs that must answer before anything is installed: where one does not, the build fails at once and names it.",
      string("http: or https:.", { pattern: "^https?://[^\\s'\"]+$", maxLength: 2048 }),
      { maxItems: 20 },
    ),
  ),
  repositories: optional(
    listByKey(
      "Package repositories beside those of the image. One that does not answer fails the build, by name.",
      "name",
      struct("One repository of Debian packages.", {
        name: entryName("Name of its file in /etc/apt/sources.list.d."),
        uri: string("Where it is.", { pattern: "^https?://[^\\s'\"]+$", maxLength: 2048 }),
        suite: string("Suite; one that ends in `/` is a flat repository.", { pattern: "^[A-Za-z0-9./_-]+$" }),
        components: optional(list("Components.", string("One component.", { pattern: "^[A-Za-z0-9./_-]+$" }))),
        key: optional(string("Its signing key, ASCII-armoured.")),
        keyURL: optional(string("Where its signing key is.", { pattern: "^https?://[^\\s'\"]+$", maxLength: 2048 })),
      }),
      { maxItems: 20 },
    ),
  ),
  packages: optional(
    list(
      "Packages to install, without those that are merely recommended.",
      string("Name of a package, with `=VERSION` for just that one.", {
        maxLength: 255,
        pattern: "^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?$",
      }),
      { maxItems: 500 },
    ),
  ),
  files: optional(
    listByKey(
      "Files to write, before the packages are installed.",
      "path",
      struct("One file.", {
        path: string("Where it lies.", { pattern: "^/[^\\s'\"]*[^\\s'\"/]$", maxLength: 1024 }),
        content: string("What is in it.", { maxLength: 262144 }),
        mode: optional(string("Its mode, in octal. `0644` when absent.", { pattern: "^0?[0-7]{3}$" })),
      }),
      { maxItems: 200 },
    ),
  ),
  commands: optional(
    list(
      "Commands to run by `sh -e` as root, in order, after the packages are installed. The first that fails fails the build.",
      string("One command; it may have several lines.", { maxLength: 65536 }),
      { maxItems: mostCommands },
    ),
  ),
  verify: optional(
    list(
      "Commands that prove that it works, run by `sh -e` as root after all others, each tried again for up to two minutes.",
      string("One command.", { maxLength: 65536 }),
      { maxItems: mostCommands },
    ),
  ),
};

export const recipe = struct("What is done to the parent.", recipeFields);

/** For kinds that have more beside it. */
export { recipeFields };

export type Recipe = Static<typeof recipe>;
