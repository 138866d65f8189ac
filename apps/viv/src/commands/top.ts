// `viv top`: what VMs use, from the figures that the server keeps of the last minutes.

import {
  Host,
  isStatus,
  VirtualMachine,
  VMGroup,
  type ObjectKey,
  type VirtualMachineMetrics,
  type VirtualMachineSample,
} from "@vivarium/api";
import { resourcePath, type ApiClient } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { formatBytes } from "../output/byte-size.ts";
import { print, tell } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { readJson } from "../resources/read-json.ts";
import { groupSums, hostSums, sumsTable } from "./top-sums.ts";
import { connect } from "../session/connect.ts";

interface TopOptions extends GlobalOptions {
  readonly allNamespaces?: boolean;
  readonly history?: boolean;
  readonly hosts?: boolean;
  readonly groups?: boolean;
  readonly output?: "json" | "yaml";
}

export interface Row {
  readonly key: ObjectKey;
  /** Undefined: the server has none yet. */
  readonly metrics: VirtualMachineMetrics | undefined;
}

/** Requests at once. */
const atOnce = 16;

export async function top(name: string | undefined, options: TopOptions): Promise<void> {
  if (options.history === true && name === undefined) {
    throw new CliUserError("--history is of one VM.", { fix: ["viv top VM --history"], exit: "usage" });
  }
  await using session = await connect(options);
  const { client, namespace } = session;
  if (name !== undefined) {
    const metrics = await fetchMetrics(client, { namespace, name }, options.history === true ? undefined : 1);
    await show([{ key: { namespace, name }, metrics }], options);
    return;
  }
  const scope = options.allNamespaces === true ? {} : { namespace };
  if (options.hosts === true || options.groups === true) {
    await showSums(client, scope, options);
    return;
  }
  const rows = await rowsOf(client, scope);
  if (rows.length === 0) {
    tell("No VMs found.");
    return;
  }
  await show(rows, options);
}

async function rowsOf(client: ApiClient, scope: { readonly namespace?: string }): Promise<readonly Row[]> {
  const { items } = await client.list(VirtualMachine, scope);
  const rows: Row[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    const batch = items
      .slice(at, at + atOnce)
      .map(({ metadata: { name: vm, namespace: of = "" } }) => ({ namespace: of, name: vm }));
    rows.push(...(await Promise.all(batch.map(async (key) => ({ key, metrics: await ifAny(client, key) })))));
  }
  return rows;
}

/** A line per host, or per group, instead of one per VM. */
async function showSums(client: ApiClient, scope: { readonly namespace?: string }, options: TopOptions): Promise<void> {
  // A host has VMs of every namespace.
  const rows = await rowsOf(client, options.hosts === true ? {} : scope);
  const sums =
    options.hosts === true
      ? hostSums((await client.list(Host, scope)).items, rows)
      : groupSums((await client.list(VMGroup, scope)).items, rows);
  if (options.output !== undefined) await showValue(sums, options.output);
  else if (sums.length === 0) tell(options.hosts === true ? "No hosts found." : "No groups found.");
  else print(sumsTable(sums));
}

async function fetchMetrics(client: ApiClient, key: ObjectKey, samples?: number): Promise<VirtualMachineMetrics> {
  return readJson<VirtualMachineMetrics>(
    await client.send({
      method: "GET",
      path: resourcePath(VirtualMachine, { ...key, subresource: "metrics" }),
      query: new URLSearchParams(samples === undefined ? {} : { samples: String(samples) }),
      headers: { accept: "application/json" },
      body: new Uint8Array(0),
    }),
  );
}

async function ifAny(client: ApiClient, key: ObjectKey): Promise<VirtualMachineMetrics | undefined> {
  try {
    return await fetchMetrics(client, key, 1);
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}

async function show(rows: readonly Row[], options: TopOptions): Promise<void> {
  if (options.output !== undefined) {
    await showValue(
      rows.flatMap(({ metrics }) => metrics ?? []),
      options.output,
    );
    return;
  }
  const [first] = rows;
  print(options.history === true && first !== undefined ? historyTable(first) : topTable(rows, options));
  for (const { metrics } of rows) {
    if (metrics?.stale === undefined) continue;
    tell(
      `${metrics.metadata.name}: old figures; its host does not answer since ${metrics.stale.since}: ${metrics.stale.message}`,
    );
  }
}

const figureHeader = ["CPU%", "CPUs", "Memory", "Resident", "Read/s", "Written/s", "IO/s", "Received/s", "Sent/s"];

/** Pure. */
export function topTable(
  rows: readonly Row[],
  { allNamespaces = false }: { readonly allNamespaces?: boolean } = {},
): string {
  const place = allNamespaces ? ["Namespace", "Name"] : ["Name"];
  return textTable(
    [...place, "Power", ...figureHeader],
    rows.map(({ key, metrics }) => {
      const sample = metrics?.samples.at(-1);
      return [
        ...(allNamespaces ? [key.namespace ?? ""] : []),
        key.name,
        ...(sample === undefined ? ["unknown"] : [sample.power, ...figuresOf(sample)]),
      ];
    }),
  );
}

function historyTable({ metrics }: Row): string {
  const samples = metrics?.samples ?? [];
  return textTable(
    ["Time", "Power", ...figureHeader],
    samples.map((sample) => [sample.time, sample.power, ...figuresOf(sample)]),
  );
}

function figuresOf({ cpu, memory, disk, network }: VirtualMachineSample): readonly string[] {
  return [
    cpu.percent === undefined ? "-" : cpu.percent.toFixed(1),
    String(cpu.count),
    `${sizeOf(memory.usedBytes)}/${formatBytes(memory.assignedBytes)}`,
    sizeOf(memory.residentBytes),
    sizeOf(disk.readBytesPerSecond),
    sizeOf(disk.writtenBytesPerSecond),
    disk.requestsPerSecond === undefined ? "-" : disk.requestsPerSecond.toFixed(1),
    sizeOf(network.receivedBytesPerSecond),
    sizeOf(network.sentBytesPerSecond),
  ];
}

function sizeOf(bytes: number | undefined): string {
  return bytes === undefined ? "-" : formatBytes(bytes);
}
