// Ready-made environments: manifests under examples/environments whose objects are all named after the file. Another name for the whole is
// another beginning of all their names.

import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { VMGroup, type KubeObject } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { parseManifests, type Manifest } from "../resources/load-manifests.ts";
import { shippedFile } from "../setup/shipped-files.ts";

const extension = ".yaml";

export interface Environment {
  readonly name: string;
  /** From the comment at the top of the file. */
  readonly description: string;
}

export function shippedEnvironments(): readonly Environment[] {
  const folder = shippedFile(join("examples", "environments"));
  return readdirSync(folder)
    .filter((file) => file.endsWith(extension))
    .sort()
    .map((file) => {
      const [first = ""] = readFileSync(join(folder, file), "utf8").split("\n");
      return { name: basename(file, extension), description: first.replace(/^# /, "").replace(/:.*/, "") };
    });
}

/** The objects of an environment under the name `as`. */
export function environmentManifests(name: string, as: string): readonly Manifest[] {
  const known = shippedEnvironments().map((each) => each.name);
  if (!known.includes(name)) {
    throw new CliUserError(`There is no environment "${name}".`, {
      fix: [`Use one of ${known.join(", ")}.`],
      exit: "notFound",
    });
  }
  const file = shippedFile(join("examples", "environments", `${name}${extension}`));
  return parseManifests(readFileSync(file, "utf8"), file).map((manifest) => ({
    ...manifest,
    object: renamed(manifest.object, { from: name, to: as }),
  }));
}

/** Pure. */
export function renamed(object: KubeObject, { from, to }: { readonly from: string; readonly to: string }): KubeObject {
  const rename = (name: string): string =>
    name === from || name.startsWith(`${from}-`) ? `${to}${name.slice(from.length)}` : name;
  const labels = object.metadata.labels;
  const metadata = {
    ...object.metadata,
    name: rename(object.metadata.name),
    ...(labels === undefined
      ? {}
      : { labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, rename(value)])) }),
  };
  if (!isGroup(object)) return { ...object, metadata };
  const members = object.spec.members?.map((member) => ({
    ...member,
    name: rename(member.name),
    ...(member.dependsOn === undefined ? {} : { dependsOn: member.dependsOn.map((each) => rename(each)) }),
  }));
  const group: VMGroup = {
    ...object,
    metadata,
    spec: { ...object.spec, ...(members === undefined ? {} : { members }) },
  };
  return group;
}

export function isGroup(object: KubeObject): object is VMGroup {
  return object.kind === VMGroup.kind;
}
