// Whether a host's endpoint leads to the machine that it led to before: one that is pointed elsewhere by mistake would be asked in vain for all
// that was made. Pure.

import type { HostStatus } from "@vivarium/api";
import type { HostFindings } from "./host-health.ts";
import type { Verdict } from "./verdict.ts";

/**
 * Undefined where it does, or where that cannot be told. Neither is enough alone: a machine without SMBIOS has another UUID each time libvirt
 * starts, and one that is renamed stays the same.
 */
export function otherMachine(
  known: HostStatus | undefined,
  { findings, endpoint }: { readonly findings: HostFindings | undefined; readonly endpoint: string },
): Verdict | undefined {
  const { hostname, uuid } = known ?? {};
  const now = { hostname: findings?.info.hostname, uuid: findings?.details?.uuid };
  if (hostname === undefined || uuid === undefined || now.hostname === undefined || now.uuid === undefined)
    return undefined;
  if (hostname === now.hostname || uuid === now.uuid) return undefined;
  const message = `${endpoint} leads to machine "${now.hostname}" (${now.uuid}), expected "${hostname}" (${uuid}), where the VMs of this host were made: point the endpoint back, or delete this Host object, which is made anew for the other machine`;
  return { status: "False", reason: "AnotherMachine", message };
}
