// `viv roles`: those of the namespace, then those that ship with the product and are not hidden by one of the same name.

import { shippedRolesNamespace, VMRole } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";

export async function listRoles(options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const own = (await session.client.list(VMRole, { namespace: session.namespace })).items;
  const shipped =
    session.namespace === shippedRolesNamespace
      ? []
      : (await session.client.list(VMRole, { namespace: shippedRolesNamespace })).items;
  const hidden = new Set(own.map(({ metadata }) => metadata.name));
  const roles = [...own, ...shipped.filter(({ metadata }) => !hidden.has(metadata.name))];
  if (roles.length === 0) {
    tell("There are no roles.");
    return;
  }
  print(
    textTable(
      ["name", "from", "built upon", "description"],
      roles.map(({ metadata, spec, status }) => [
        metadata.name,
        metadata.namespace ?? "",
        (status?.chain ?? []).slice(0, -1).join(" > "),
        spec.description ?? "",
      ]),
    ),
  );
}
