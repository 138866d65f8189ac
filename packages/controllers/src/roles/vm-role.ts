// The VMRole controller: says whether a role can be resolved and from what, and makes those that ship when the server starts.

import { isStatus, setCondition, shippedDigestAnnotation, VMRole } from "@vivarium/api";
import type { VMRoleStatus } from "@vivarium/api";
import { mergeRecipes, recipeDigestOf } from "@vivarium/images";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { createHash } from "node:crypto";
import { requestOf } from "../request-of.ts";
import { observedGenerationOf } from "../verdict.ts";
import { resolveRole } from "./resolve-role.ts";
import { shippedRoles } from "./shipped-roles.ts";

export function createVmRoleController({
  manager,
  clock,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
}): Controller {
  const { client } = manager;
  const roles = manager.cache(VMRole);
  /** By name; each once after a start, so that a role which a user deletes stays away until the next. */
  const toInstall = new Map(shippedRoles.map((role) => [role.metadata.name, role]));

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    await install(request, signal);
    const role = roles.get(request);
    if (role === undefined || role.metadata.deletionTimestamp !== undefined) return undefined;
    const resolved = resolveRole(request, (key) => roles.get(key));
    const verdict =
      resolved.kind === "problem"
        ? { status: "False" as const, reason: resolved.reason, message: resolved.message }
        : {
            status: "True" as const,
            reason: "Resolved",
            message: `Built upon ${chainOf(resolved.images).slice(0, -1).join(", ")}`,
          };
    const observed = observedGenerationOf(role);
    const condition = { type: "Ready", ...verdict, ...observed };
    const status: VMRoleStatus = {
      ...(resolved.kind === "problem" ? {} : { chain: chainOf(resolved.images) }),
      recipeDigest: recipeDigestOf(mergeRecipes({}, role.spec)),
      ...observed,
      conditions: setCondition(role.status?.conditions, condition, { now: new Date(clock.now()) }),
    };
    await writeStatus(client, { type: VMRole, object: role, status }, { signal });
    return undefined;
  }

  /** One that a user has changed is left alone; one that shipped with an older version is replaced. */
  async function install(request: ReconcileRequest, signal: AbortSignal): Promise<void> {
    const shipped = toInstall.get(request.name);
    if (shipped === undefined || shipped.metadata.namespace !== request.namespace) return;
    const digest = digestOf(shipped.spec);
    const there = roles.get(request);
    const metadata = { ...shipped.metadata, annotations: { [shippedDigestAnnotation]: digest } };
    if (there === undefined) {
      try {
        await client.create(VMRole, { ...shipped, metadata }, { signal });
      } catch (error) {
        if (!isStatus(error, "AlreadyExists")) throw error;
      }
    } else {
      const shippedAs = there.metadata.annotations?.[shippedDigestAnnotation];
      const isUntouched = shippedAs !== undefined && shippedAs === digestOf(there.spec);
      if (isUntouched && shippedAs !== digest) {
        const annotations = { ...there.metadata.annotations, [shippedDigestAnnotation]: digest };
        await client.update(
          VMRole,
          { ...there, metadata: { ...there.metadata, annotations }, spec: shipped.spec },
          { signal },
        );
      }
    }
    toInstall.delete(request.name);
  }

  return {
    name: "vm-role",
    for: VMRole,
    // What is built upon it may be resolved now, or no more.
    related: [
      related(VMRole, ({ metadata }) =>
        roles
          .list()
          .filter((role) => role.spec.parent.roleRef?.name === metadata.name)
          .map(requestOf),
      ),
    ],
    sources: [
      (add) => {
        for (const role of toInstall.values()) add(requestOf(role));
      },
    ],
    reconcile,
  };
}

function chainOf(images: readonly { readonly name: string; readonly role?: string }[]): string[] {
  return images.map(({ name, role }) => role ?? name);
}

/** Whatever order the server keeps the fields in. */
function digestOf(spec: unknown): string {
  const sorted = JSON.stringify(spec, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
  return createHash("sha256").update(sorted).digest("hex").slice(0, 16);
}
