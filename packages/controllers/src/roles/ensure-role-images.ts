// Makes the VMImages that a role is, where they are not there: their names follow from the role, so that two who do it make the same ones.

import { isStatus, roleLabel, VMImage } from "@vivarium/api";
import type { VMRole } from "@vivarium/api";
import type { Cache, Manager } from "@vivarium/runtime";
import { resolveRole } from "./resolve-role.ts";
import type { ResolvedRole, RoleProblem } from "./resolve-role.ts";

export async function ensureRoleImages(
  { client, cache }: Pick<Manager, "client" | "cache">,
  {
    roleRef,
    namespace,
    roles,
    signal,
  }: {
    readonly roleRef: { readonly name: string; readonly image?: string };
    readonly namespace: string;
    readonly roles: Cache<VMRole>;
    readonly signal: AbortSignal;
  },
): Promise<ResolvedRole | RoleProblem> {
  const resolved = resolveRole({ ...roleRef, namespace }, (key) => roles.get(key));
  if (resolved.kind === "problem") return resolved;
  const images = cache(VMImage);
  for (const { name, spec, role } of resolved.images) {
    // A plain image of that name is whatever its namespace says it is.
    if (spec === undefined || images.get({ namespace, name }) !== undefined) continue;
    try {
      await client.create(
        VMImage,
        {
          apiVersion: `${VMImage.group}/${VMImage.version}`,
          kind: VMImage.kind,
          metadata: { namespace, name, ...(role === undefined ? {} : { labels: { [roleLabel]: role } }) },
          spec,
        },
        { signal },
      );
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
    }
  }
  return resolved;
}
