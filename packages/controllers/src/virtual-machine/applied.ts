// What a domain was last defined from, in terms that users know, and in which of them it differs from what is wanted. Pure.

import { createHash } from "node:crypto";
import type { VmDefinition } from "@vivarium/provider";
import { diskEntry } from "./applied-disks.ts";
import { nicEntry, nicsApplied } from "./applied-nics.ts";

/** What the domain was last defined from; compared with the spec to say what waits for a power cycle. */
export interface AppliedDefinition {
  /** metadata.generation of the spec that it came from. */
  readonly generation: number;
  /** One short string per field of the definition; compared, never parsed. */
  readonly fields: Readonly<Record<string, string>>;
  /** Data disks that were made; one that is lost later is never silently replaced by an empty one. */
  readonly disks: readonly string[];
  /** Sizes that disks of the VM's own were given, where the spec says one; absent in records of older releases. */
  readonly sizes?: Readonly<Record<string, number>>;
  readonly macs: readonly string[];
  /** Static addresses of its interfaces, without prefix length. */
  readonly addresses?: readonly string[];
}

/** The record of a definition, in the terms that users know. */
export function appliedFrom(
  definition: VmDefinition,
  generation: number,
  sizes: Readonly<Record<string, number>> = {},
): AppliedDefinition {
  return {
    generation,
    fields: fieldsOf(definition),
    disks: definition.disks.map((disk) => disk.name),
    sizes,
    ...nicsApplied(definition.networks),
  };
}

/** Names of the fields in which the domain differs from what is wanted. */
export function changedFields(applied: AppliedDefinition, definition: VmDefinition): readonly string[] {
  const wanted = fieldsOf(definition);
  const names = new Set([...Object.keys(wanted), ...Object.keys(applied.fields)]);
  return [...names].filter((field) => (wanted[field] ?? "") !== (applied.fields[field] ?? ""));
}

/** What is not said is left out, so that records of older releases compare as equal. Limits are compared with what is seen. */
export function fieldsOf(definition: VmDefinition): Readonly<Record<string, string>> {
  const { cpu, maxCpus, maxMemoryBytes, onCrash, startsOnBoot, extraConfig } = definition;
  const topology = cpu?.topology;
  return {
    // How much room there is only matters once more is wanted.
    ...(maxCpus === undefined ? {} : { cpuHotAdd: "true" }),
    ...(maxMemoryBytes === undefined ? {} : { memoryHotAdd: "true" }),
    ...(cpu?.model === undefined ? {} : { cpuModel: cpu.model }),
    ...(topology === undefined ? {} : { cpuTopology: [topology.sockets, topology.cores, topology.threads].join(":") }),
    ...(onCrash === undefined ? {} : { crashPolicy: onCrash }),
    ...(startsOnBoot === true ? { startOnBoot: "true" } : {}),
    ...(extraConfig === undefined ? {} : { extraConfig: digestOf(extraConfig) }),
    cpu: String(definition.cpus),
    memory: String(definition.memoryBytes),
    firmware: definition.firmware,
    secureBoot: String(definition.secureBoot),
    tpm: String(definition.tpm),
    nestedVirtualization: String(definition.nestedVirtualization),
    disks: definition.disks.map(diskEntry).join(","),
    networks: definition.networks.map(nicEntry).join(","),
  };
}

function digestOf(config: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16);
}
