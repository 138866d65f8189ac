// Who is on which host and what of it is promised to whom: from the objects, and from what this process decided a moment ago and nobody has
// read yet. Like kube-scheduler's cache of assumed pods. One process decides at a time, so what is added up here is never over-committed.

import { findCondition } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import type { HostAmount, PlacedMachine } from "./model.ts";

export interface LedgerOptions {
  /** `namespace/name` of the Provider that the VM is on; undefined where that cannot be told. */
  readonly providerOf: (vm: VirtualMachine) => string | undefined;
  /** The host that the VM is on by its status, or as the only one of its Provider once it was made there. */
  readonly hostOf: (vm: VirtualMachine) => string | undefined;
  /** As it is declared; undefined while its class is not there. */
  readonly amountOf: (vm: VirtualMachine) => HostAmount | undefined;
}

interface Entry {
  readonly vm: VirtualMachine;
  readonly provider: string | undefined;
  /** More than one while it is moved. */
  readonly hosts: readonly string[];
  /** Chosen here, and not in the status yet. */
  readonly assumed?: string;
  /** What it holds of each of its hosts; undefined: nothing, such as one that is off. */
  readonly claim?: HostAmount;
  /** How large it is declared to be was not known. */
  readonly isUnsized?: boolean;
}

/** What became of a machine: what it held, or where it was, may be what others wait for. */
export interface LedgerChange {
  readonly kind: "arrived" | "left";
  /** `namespace/name`. */
  readonly provider: string;
}

const nothing: HostAmount = { cpus: 0, memoryBytes: 0 };
/** A VM in one of these was off for good when it was last looked at: it has to ask for room before it is started. */
const restingReasons = new Set(["Stopped", "Suspended", "HostFull"]);

export class PlacementLedger {
  readonly #options: LedgerOptions;
  /** By uid. */
  readonly #entries = new Map<string, Entry>();
  /** By Provider and uid. */
  readonly #machines = new Map<string, Map<string, Entry>>();
  /** Of these, the ones that follow a policy. */
  readonly #followers = new Map<string, Map<string, Entry>>();
  /** By Provider and host. */
  readonly #taken = new Map<string, HostAmount>();
  readonly #listeners = new Set<(change: LedgerChange) => void>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  subscribe(listener: (change: LedgerChange) => void, { signal }: { readonly signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** The VM as it is now. */
  set(vm: VirtualMachine): void {
    const uid = vm.metadata.uid ?? "";
    const old = this.#entries.get(uid);
    const provider = this.#options.providerOf(vm);
    const declared = this.#options.hostOf(vm);
    const assumed = declared === undefined && vm.metadata.deletionTimestamp === undefined ? old?.assumed : undefined;
    const { moving } = vm.status ?? {};
    const all = [declared ?? assumed, moving?.from, moving?.to].filter((host) => host !== undefined);
    const hosts = [...new Set(all)];
    const want = this.#options.amountOf(vm);
    const claim = hosts.length === 0 ? undefined : claimOf(vm, want, old);
    this.#put(uid, {
      vm,
      provider,
      hosts,
      isUnsized: want === undefined,
      ...(assumed === undefined ? {} : { assumed }),
      ...(claim === undefined ? {} : { claim }),
    });
  }

  delete(uid: string): void {
    const entry = this.#remove(uid);
    if (entry !== undefined && entry.hosts.length > 0) this.#tell("left", entry.provider);
  }

  /** After a change of what VMs refer to. */
  refresh(): void {
    for (const { vm } of [...this.#entries.values()]) this.set(vm);
  }

  /** Counted from now on, before the VM's status says so. */
  bind(vm: VirtualMachine, host: string): void {
    const provider = this.#options.providerOf(vm);
    const claim = wantsRoom(vm) ? this.#options.amountOf(vm) : undefined;
    this.#put(vm.metadata.uid ?? "", {
      vm,
      provider,
      hosts: [host],
      assumed: host,
      ...(claim === undefined ? {} : { claim }),
    });
  }

  /** Before it is started, or grows: from now on it holds what it is declared to have. Who asks has looked whether there is room. */
  claim(vm: VirtualMachine): void {
    const uid = vm.metadata.uid ?? "";
    const entry = this.#entries.get(uid);
    const claim = this.#options.amountOf(vm);
    if (entry !== undefined && claim !== undefined) this.#put(uid, { ...entry, claim });
  }

  /** A move there is about to be written down. What is read of the VM next says whether it was. */
  expect(uid: string, host: string): void {
    const entry = this.#entries.get(uid);
    if (entry !== undefined) this.#put(uid, { ...entry, hosts: [...new Set([...entry.hosts, host])] });
  }

  /** Whether it holds room at all. */
  holds(uid: string): boolean {
    return this.#entries.get(uid)?.claim !== undefined;
  }

  /** Whether it holds all that it is declared to have. */
  isClaimed(vm: VirtualMachine): boolean {
    const claim = this.#entries.get(vm.metadata.uid ?? "")?.claim;
    const want = this.#options.amountOf(vm);
    return claim !== undefined && (want === undefined || isWithin(want, claim));
  }

  /** Where this process, or its status, says that it is. */
  hostOf(uid: string): string | undefined {
    return this.#entries.get(uid)?.hosts[0];
  }

  /** `except`: a machine that is not counted. */
  takenOn(provider: string, host: string, except: string): HostAmount {
    const all = this.#taken.get(keyOf(provider, host)) ?? nothing;
    const own = this.#entries.get(except);
    const isThere = own?.provider === provider && own.hosts.includes(host);
    return isThere ? minus(all, own.claim ?? nothing) : all;
  }

  /** One that is being moved is on both hosts. */
  machinesOn(provider: string): readonly PlacedMachine[] {
    return placedOf(this.#machines.get(provider));
  }

  /** Those that follow a policy. */
  followersOn(provider: string): readonly PlacedMachine[] {
    return placedOf(this.#followers.get(provider));
  }

  #put(uid: string, entry: Entry): void {
    const old = this.#remove(uid);
    this.#entries.set(uid, entry);
    this.#count(uid, entry);
    const before = new Set(old?.hosts);
    if (entry.hosts.some((host) => !before.has(host))) this.#tell("arrived", entry.provider);
    const isLess = !isWithin(old?.claim ?? nothing, entry.claim ?? nothing);
    if (isLess || (old?.hosts ?? []).some((host) => !entry.hosts.includes(host))) this.#tell("left", entry.provider);
  }

  #tell(kind: LedgerChange["kind"], provider: string | undefined): void {
    if (provider === undefined) return;
    for (const listener of this.#listeners) listener({ kind, provider });
  }

  #count(uid: string, entry: Entry): void {
    const { provider, hosts, claim = nothing } = entry;
    if (provider === undefined || hosts.length === 0) return;
    addTo(this.#machines, provider, { uid, entry });
    if (entry.vm.spec.placementRef !== undefined) addTo(this.#followers, provider, { uid, entry });
    for (const host of hosts) {
      const key = keyOf(provider, host);
      this.#taken.set(key, plus(this.#taken.get(key) ?? nothing, claim));
    }
  }

  #remove(uid: string): Entry | undefined {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return undefined;
    this.#entries.delete(uid);
    const { provider, hosts, claim = nothing } = entry;
    if (provider === undefined) return entry;
    this.#machines.get(provider)?.delete(uid);
    this.#followers.get(provider)?.delete(uid);
    for (const host of hosts) {
      const key = keyOf(provider, host);
      this.#taken.set(key, minus(this.#taken.get(key) ?? nothing, claim));
    }
    return entry;
  }
}

function addTo(
  index: Map<string, Map<string, Entry>>,
  provider: string,
  { uid, entry }: { readonly uid: string; readonly entry: Entry },
): void {
  const machines = index.get(provider) ?? new Map<string, Entry>();
  index.set(provider, machines.set(uid, entry));
}

function placedOf(machines: ReadonlyMap<string, Entry> | undefined): readonly PlacedMachine[] {
  if (machines === undefined) return [];
  return [...machines.values()].flatMap(({ vm, hosts }) => hosts.map((host) => ({ ...machineOf(vm), host })));
}

function claimOf(vm: VirtualMachine, want: HostAmount | undefined, old: Entry | undefined): HostAmount | undefined {
  const isNew = old === undefined || old.hosts.length === 0 || old.isUnsized === true;
  const { powerState, currentResources } = vm.status ?? {};
  if (powerState === "On" || powerState === "Paused") {
    const { cpu, memoryMiB } = currentResources ?? {};
    const declared = want ?? old?.claim ?? nothing;
    const has: HostAmount = {
      cpus: cpu ?? declared.cpus,
      memoryBytes: memoryMiB === undefined ? declared.memoryBytes : memoryMiB * 1024 ** 2,
    };
    // What was promised is held, unless it is not wanted any more.
    return old?.claim === undefined ? has : most(has, least(old.claim, declared));
  }
  if (!wantsRoom(vm)) return undefined;
  const isResting = restingReasons.has(findCondition(vm.status?.conditions, "Ready")?.reason ?? "");
  const had = old?.claim ?? (isNew && !isResting ? want : undefined);
  return had && least(had, want ?? had);
}

/** One that is off keeps its place, but gives its room to others. */
function wantsRoom({ spec, metadata }: VirtualMachine): boolean {
  const power = spec.powerState ?? "On";
  return metadata.deletionTimestamp === undefined && (power === "On" || power === "Paused");
}

export function machineOf({ metadata, spec }: VirtualMachine) {
  return {
    uid: metadata.uid ?? "",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    labels: metadata.labels ?? {},
    ...(spec.placementRef === undefined ? {} : { policy: spec.placementRef.name }),
  };
}

function keyOf(provider: string, host: string): string {
  return `${provider}@${host}`;
}

function isWithin(a: HostAmount, b: HostAmount): boolean {
  return a.cpus <= b.cpus && a.memoryBytes <= b.memoryBytes;
}

function combine(a: HostAmount, b: HostAmount, by: (a: number, b: number) => number): HostAmount {
  return { cpus: by(a.cpus, b.cpus), memoryBytes: by(a.memoryBytes, b.memoryBytes) };
}

const most = (a: HostAmount, b: HostAmount) => combine(a, b, Math.max);
const least = (a: HostAmount, b: HostAmount) => combine(a, b, Math.min);
export const plus = (a: HostAmount, b: HostAmount) => combine(a, b, (x, y) => x + y);
const minus = (a: HostAmount, b: HostAmount) => combine(a, b, (x, y) => x - y);
