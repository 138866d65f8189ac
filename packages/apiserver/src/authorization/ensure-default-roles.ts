// Makes the default roles and bindings where they are missing, and gives those that exist the rules and subjects that a newer version
// added. What somebody added stays; what is annotated with autoupdate "false" is left alone.

import { isStatus, rbac, type KubeObject } from "@vivarium/api";
import type { OwnApi } from "../tasks/own-api.ts";
import { autoUpdateAnnotation, type DefaultRoles } from "./default-roles.ts";

const root = `/apis/${rbac.group}/${rbac.version}`;

/** True when something was written. */
export async function ensureDefaultRoles(client: OwnApi, wanted: DefaultRoles): Promise<boolean> {
  const written = await Promise.all([
    ensureAll(client, `${root}/clusterroles`, { wanted: wanted.clusterRoles, field: "rules" }),
    ensureAll(client, `${root}/clusterrolebindings`, { wanted: wanted.clusterRoleBindings, field: "subjects" }),
  ]);
  return written.includes(true);
}

type Named<Field extends string> = KubeObject & { readonly [name in Field]?: readonly unknown[] };

async function ensureAll<Field extends "rules" | "subjects">(
  client: OwnApi,
  path: string,
  { wanted, field }: { readonly wanted: readonly Named<Field>[]; readonly field: Field },
): Promise<boolean> {
  const found = new Map((await client.list<Named<Field>>(path)).map((each) => [each.metadata.name, each]));
  const written = await Promise.all(
    wanted.map(async (each) => {
      const present = found.get(each.metadata.name);
      if (present === undefined) return createUnlessThere(client, path, each);
      const missing = missingEntries(present, each, field);
      if (missing.length === 0 || present.metadata.annotations?.[autoUpdateAnnotation] === "false") return false;
      await client.patchAt(`${path}/${encodeURIComponent(each.metadata.name)}`, {
        [field]: [...(present[field] ?? []), ...missing],
      });
      return true;
    }),
  );
  return written.includes(true);
}

function missingEntries<Field extends string>(
  present: Named<Field>,
  wanted: Named<Field>,
  field: Field,
): readonly unknown[] {
  const there = new Set((present[field] ?? []).map(sorted));
  return (wanted[field] ?? []).filter((entry) => !there.has(sorted(entry)));
}

/** The same text for the same fields in any order. */
function sorted(value: unknown): string {
  return JSON.stringify(Object.entries(value as object).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function createUnlessThere(client: OwnApi, path: string, object: object): Promise<boolean> {
  try {
    await client.create(path, object);
  } catch (error) {
    // Another server on the same store was faster.
    if (!isStatus(error, "AlreadyExists")) throw error;
  }
  return true;
}
