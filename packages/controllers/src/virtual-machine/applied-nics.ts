// The interfaces of a domain on record: their MAC addresses, and what of each only a power cycle changes. Pure.

import type { NicDefinition, VmDefinition } from "@vivarium/provider";
import type { AppliedDefinition } from "./applied.ts";
import type { VmRecord } from "./record.ts";

export function nicsApplied(nics: readonly NicDefinition[]): Pick<AppliedDefinition, "macs" | "addresses"> {
  const addresses = nics.flatMap((nic) => (nic.addresses ?? []).map((address) => address.split("/")[0] ?? ""));
  return { macs: nics.map(({ mac }) => mac), ...(addresses.length === 0 ? {} : { addresses }) };
}

/** Interfaces were plugged in, let go or changed while the VM runs. What only a power cycle changes stays as it was recorded. */
export function recordNics(
  record: VmRecord,
  to: { readonly definition: VmDefinition; readonly nowMs: number },
): VmRecord {
  const applied = appliedNics(record, to.definition);
  return applied === undefined ? record : { ...record, applied, reconfiguredAtMs: to.nowMs };
}

/** Whether the record does not say yet that the running domain has these interfaces. */
export function isNicRecordDue(record: VmRecord, definition: VmDefinition): boolean {
  const { applied } = record;
  const next = appliedNics(record, definition);
  return (
    JSON.stringify([applied?.fields["networks"], applied?.macs, applied?.addresses]) !==
    JSON.stringify([next?.fields["networks"], next?.macs, next?.addresses])
  );
}

function appliedNics({ applied }: VmRecord, { networks }: VmDefinition): AppliedDefinition | undefined {
  if (applied === undefined) return undefined;
  const { addresses: _, ...rest } = applied;
  const before = new Map(nicEntriesOf(applied).map((entry) => [entry.mac, entry]));
  const entries = networks.map((nic) => {
    const { model: _model, mtu: _mtu, ...hot } = nic;
    const cold = before.get(nic.mac);
    return nicEntry(cold === undefined ? nic : { ...hot, ...cold, name: nic.name });
  });
  return { ...rest, fields: { ...applied.fields, networks: entries.join(",") }, ...nicsApplied(networks) };
}

/** What of an interface the running domain lacks until the VM is next off. */
export function changedNics({ applied }: VmRecord, { mac, model, mtu }: NicDefinition): readonly string[] {
  const before = applied && nicEntriesOf(applied).find((entry) => entry.mac === mac);
  if (before === undefined) return [];
  return [...(before.model === model ? [] : ["model"]), ...(before.mtu === mtu ? [] : ["mtu"])];
}

/** MAC addresses by interface, as releases that kept none by name gave them. */
export function macsOfApplied(applied: AppliedDefinition | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((applied === undefined ? [] : nicEntriesOf(applied)).map(({ name, mac }) => [name, mac]));
}

/** What of an interface only a power cycle changes, and what it is plugged into. */
export function nicEntry({ name, source, model, mac, mtu }: NicDefinition): string {
  const to = "network" in source ? `network=${source.network}` : `bridge=${source.bridge}`;
  return [name, to, model, mac, mtu ?? ""].join(" ");
}

function nicEntriesOf(applied: AppliedDefinition): readonly Pick<NicDefinition, "name" | "model" | "mac" | "mtu">[] {
  const entries = (applied.fields["networks"] ?? "").split(",").filter((entry) => entry !== "");
  return entries.map((entry) => {
    // Names of networks may hold blanks.
    const parts = entry.split(" ");
    const [model = "", mac = "", mtu = ""] = parts.slice(-3);
    return { name: parts[0] ?? "", model, mac, ...(mtu === "" ? {} : { mtu: Number(mtu) }) };
  });
}
