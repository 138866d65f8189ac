// `viv import vagrant`: manifests that do what a Vagrantfile's machines did, on stdout; what could not be taken over, on stderr. The file is
// read, not run; Vagrant need not be there.

import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CliUserError } from "../cli-error.ts";
import { print, tell } from "../output/print.ts";
import { toYaml } from "../output/to-yaml.ts";
import { readVagrantfile } from "../vagrant/read-vagrantfile.ts";
import { vagrantManifests } from "../vagrant/to-manifests.ts";

export async function importVagrant(
  given: string | undefined,
  options: { readonly image: readonly string[] },
): Promise<void> {
  const file = given ?? "Vagrantfile";
  const source = contentOf(file);
  if (source === undefined) {
    throw new CliUserError(`There is no ${file}.`, { fix: ["viv import vagrant PATH/Vagrantfile"], exit: "usage" });
  }
  const folder = dirname(resolve(file));
  const { stringify } = await import("yaml");
  const reading = readVagrantfile(source, nameOf(basename(folder)));
  const { objects, notes } = vagrantManifests(reading.machines, {
    images: Object.fromEntries(options.image.map((text) => boxOf(text))),
    readScript: (path) => contentOf(join(folder, path)),
    toYaml: (value) => stringify(value, { lineWidth: 0 }),
  });
  const documents = await Promise.all(objects.map(({ object }) => toYaml(object)));
  print(documents.map((text) => text.trimEnd()).join("\n---\n"));
  for (const note of [...reading.notes, ...notes]) tell(`${file}: ${note}`);
  tell(
    `${reading.machines.length} VMs. To make them: viv import vagrant ${file} > vms.yaml; viv apply -f vms.yaml --wait`,
  );
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Of the machine of a file that defines none: that of its folder. */
function nameOf(folder: string): string {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 63);
  return name === "" ? "default" : name;
}

function boxOf(text: string): readonly [string, string] {
  const at = text.lastIndexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new CliUserError(`Cannot read --image "${text}".`, { fix: ["Write --image BOX=VMIMAGE."], exit: "usage" });
}
