// The choice of a host for a VM: the one that is named, else, of those that can take it, the one with most free memory. Pure.

export interface HostCandidate {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Why it cannot be used now; absent when it can. */
  readonly notReady?: string;
  readonly isUnschedulable: boolean;
  /** What VMs may take; absent while it is not known. */
  readonly allocatable?: HostAmount;
  /** What VMs that are bound to it, and domains of others, take. */
  readonly taken: HostAmount;
}

export interface HostAmount {
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface HostWish extends HostAmount {
  /** Taken at its word: whether it has room is not asked. */
  readonly host?: string;
  readonly selector: Readonly<Record<string, string>>;
}

export type HostChoice =
  | { readonly kind: "chosen"; readonly host: string }
  /** For each host why not. */
  | { readonly kind: "none"; readonly reasons: readonly string[] };

export function chooseHost(wish: HostWish, hosts: readonly HostCandidate[]): HostChoice {
  if (wish.host !== undefined) {
    const isThere = hosts.some(({ name }) => name === wish.host);
    if (isThere) return { kind: "chosen", host: wish.host };
    const names = hosts.map(({ name }) => name).join(", ");
    return { kind: "none", reasons: [`spec.placement.host names "${wish.host}"; there are ${names}`] };
  }
  const judged = hosts.map((host) => ({ host, obstacle: obstacleOf(host, wish) }));
  const [best] = judged
    .filter(({ obstacle }) => obstacle === undefined)
    .map(({ host }) => host)
    .toSorted((a, b) => freeMemory(b) - freeMemory(a) || (a.name < b.name ? -1 : 1));
  if (best !== undefined) return { kind: "chosen", host: best.name };
  return { kind: "none", reasons: judged.map(({ host, obstacle }) => `${host.name}: ${obstacle ?? ""}`) };
}

function obstacleOf(host: HostCandidate, wish: HostWish): string | undefined {
  const lacking = Object.entries(wish.selector).find(([label, value]) => host.labels[label] !== value);
  if (lacking !== undefined) return `its label ${lacking[0]} is not "${lacking[1]}"`;
  if (host.isUnschedulable) return "it is unschedulable";
  if (host.notReady !== undefined) return `it is not ready (${host.notReady})`;
  if (host.allocatable === undefined) return "its size is not known yet";
  const freeCpus = host.allocatable.cpus - host.taken.cpus;
  if (wish.memoryBytes > freeMemory(host)) {
    return `it has ${inMiB(freeMemory(host))} of memory left, the VM wants ${inMiB(wish.memoryBytes)}`;
  }
  return wish.cpus > freeCpus ? `it has ${Math.max(0, freeCpus)} CPUs left, the VM wants ${wish.cpus}` : undefined;
}

function freeMemory({ allocatable, taken }: HostCandidate): number {
  return (allocatable?.memoryBytes ?? 0) - taken.memoryBytes;
}

function inMiB(bytes: number): string {
  return `${Math.max(0, Math.floor(bytes / 1024 ** 2))} MiB`;
}
