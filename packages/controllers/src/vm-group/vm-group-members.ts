// Who is in a group: the members that it names, and those that its selector finds.

import { parseDuration, type VirtualMachine, type VMGroup, type VMGroupSpec } from "@vivarium/api";
import { whyNotSelected } from "../vm-set/label-selector.ts";
import { whyNoOrder } from "./vm-group-plan.ts";

export interface GroupMember {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly readyWhen: "Ready" | "Running";
  readonly settleMs: number;
  readonly timeoutMs: number;
}

export type GroupReading =
  | { readonly ok: true; readonly members: readonly GroupMember[] }
  | { readonly ok: false; readonly message: string };

const defaultTimeout = "10m";

export function isSelected(group: VMGroup, { metadata }: VirtualMachine): boolean {
  const { selector } = group.spec;
  return selector !== undefined && whyNotSelected(selector, metadata.labels ?? {}) === undefined;
}

export function readMembers(group: VMGroup, machines: readonly VirtualMachine[]): GroupReading {
  const { members = [], timeout } = group.spec;
  const named = members.map((member) => memberOf(member, timeout));
  const names = new Set(named.map(({ name }) => name));
  const selected = machines
    .filter((vm) => isSelected(group, vm) && !names.has(vm.metadata.name))
    .map(({ metadata }) => memberOf({ name: metadata.name }, timeout))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const why = whyNoOrder(named);
  return why === undefined ? { ok: true, members: [...named, ...selected] } : { ok: false, message: why };
}

/** One that was in the group when its operation began, and may not be in it any more. */
export function memberNamed(group: VMGroup, name: string): GroupMember {
  const { members = [], timeout } = group.spec;
  return memberOf(members.find((each) => each.name === name) ?? { name }, timeout);
}

function memberOf(
  { name, dependsOn = [], readyWhen = "Ready", settle, timeout }: NonNullable<VMGroupSpec["members"]>[number],
  groupTimeout: string | undefined,
): GroupMember {
  return {
    name,
    dependsOn,
    readyWhen,
    settleMs: settle === undefined ? 0 : parseDuration(settle),
    timeoutMs: parseDuration(timeout ?? groupTimeout ?? defaultTimeout),
  };
}
