// Asks every host for its figures, once an interval and at once when it connects, and keeps what it told: the newest of everything, and a
// short history of each VM. A host that does not answer has no figures from then on: old ones are not passed off as new.

import type { Provider, StoragePool, VirtualMachine } from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { DomainStats, HostStats, Provider as OpenProvider, StatsRole } from "@vivarium/provider";
import type { Cache, Clock } from "@vivarium/runtime";
import type { Logger } from "pino";
import { effectiveProvider, isSameProvider } from "../effective-provider.ts";
import { hostsOf } from "../provider-config.ts";
import type { HostKey, ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { History } from "./history.ts";
import { VmCounters } from "./vm-counters.ts";
import { sampleOf } from "./vm-sample.ts";
import type { Sample } from "./vm-sample.ts";

export interface StatsSources {
  readonly providers: ProviderRegistry;
  readonly providerObjects: Pick<Cache<Provider>, "list">;
  readonly machines: Pick<Cache<VirtualMachine>, "list" | "get">;
  readonly pools: Pick<Cache<StoragePool>, "list">;
}

export interface StatsCollectorOptions extends StatsSources {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often each host is asked, and how long it may take to answer; 10 s when absent. */
  readonly intervalMs?: number;
  /** How far back a VM's history goes; 10 min when absent. */
  readonly historyMs?: number;
}

/** What is known of a host. */
export type HostRecord = { readonly key: HostKey } & (
  | {
      readonly kind: "up";
      readonly stats: HostStats;
      readonly tookMs: number;
      /** UUIDs of the domains that are VMs of ours. */
      readonly managed: ReadonlySet<string>;
    }
  | { readonly kind: "down"; readonly sinceMs: number; readonly error: Error }
);

export interface VmRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly host: HostKey;
  /** As the host told last. */
  readonly stats: DomainStats;
  readonly counters: VmCounters;
  readonly history: History<Sample>;
}

export class StatsCollector {
  readonly intervalMs: number;
  readonly #options: StatsCollectorOptions;
  readonly #historyLength: number;
  readonly #hosts = new Map<string, HostRecord>();
  /** By the VM's uid. */
  readonly #vms = new Map<string, VmRecord>();
  readonly #looking = new Set<OpenProvider>();

  constructor(options: StatsCollectorOptions) {
    this.#options = options;
    this.intervalMs = options.intervalMs ?? 10_000;
    this.#historyLength = Math.ceil((options.historyMs ?? 600_000) / this.intervalMs);
  }

  /** Until the signal aborts. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { providers, clock } = this.#options;
    providers.subscribe(
      ({ provider, event }) => {
        if (event.kind === "connected") void this.#look(provider, signal);
        if (event.kind === "disconnected") this.#lose(provider, event.error);
      },
      { signal },
    );
    while (!signal.aborted) {
      this.#forgetGone();
      for (const key of this.#hostKeys()) void this.#look(key, signal);
      // It ends the wait only.
      await clock.delay(this.intervalMs, { signal }).catch(() => undefined);
    }
  }

  get hosts(): readonly HostRecord[] {
    return [...this.#hosts.values()];
  }

  hostOf(key: HostKey): HostRecord | undefined {
    return this.#hosts.get(idOf(key));
  }

  /** Whether any host of the Provider answers. */
  isUp(provider: ProviderKey): boolean {
    return this.hosts.some(({ kind, key }) => kind === "up" && isSameProvider(key, provider));
  }

  /** VMs that exist and whose host answers. */
  get vms(): readonly VmRecord[] {
    return [...this.#vms.values()].filter(
      (vm) => this.hostOf(vm.host)?.kind === "up" && this.#options.machines.get(vm)?.metadata.uid === vm.uid,
    );
  }

  /** Also while its host does not answer: then it is as it was. */
  vm(uid: string): VmRecord | undefined {
    return this.#vms.get(uid);
  }

  /** Never throws. */
  async #look(key: HostKey, signal: AbortSignal): Promise<void> {
    const { providers, clock, logger } = this.#options;
    const provider = providers.get(key);
    if (provider?.stats === undefined) {
      this.#hosts.delete(idOf(key));
      return;
    }
    if (this.#looking.has(provider)) return;
    this.#looking.add(provider);
    const fromMs = clock.now();
    try {
      const stats = await this.#readInTime(provider.stats, signal);
      // It may have been closed, or opened anew with another endpoint.
      if (providers.get(key) === provider) this.#take(key, { stats, fromMs });
    } catch (error) {
      if (signal.aborted) return;
      if (!isProviderError(error)) logger.error({ err: error, host: idOf(key) }, "figures could not be read");
      this.#lose(key, error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#looking.delete(provider);
    }
  }

  async #readInTime(role: StatsRole, signal: AbortSignal): Promise<HostStats> {
    const late = new AbortController();
    const ended = new AbortController();
    const timeout = new ProviderError("Timeout", `The host told no figures within ${this.intervalMs / 1000} s`);
    this.#options.clock.delay(this.intervalMs, { signal: ended.signal }).then(
      () => late.abort(timeout),
      () => undefined,
    );
    try {
      return await role.read({ signal: AbortSignal.any([signal, late.signal]) });
    } finally {
      ended.abort();
    }
  }

  #take(key: HostKey, { stats, fromMs }: { readonly stats: HostStats; readonly fromMs: number }): void {
    const atMs = this.#options.clock.now();
    const domains = new Map(stats.domains.map((domain) => [domain.uid, domain]));
    const managed = new Set<string>();
    for (const vm of this.#machinesOf(key)) {
      const { uid = "", namespace = "", name } = vm.metadata;
      const before = this.#vms.get(uid);
      // The id on the hypervisor: another than the uid where the domain was adopted.
      const domain = domains.get(vm.status?.id ?? "");
      if (domain === undefined) {
        if (before !== undefined && idOf(before.host) === idOf(key)) this.#vms.delete(uid);
        continue;
      }
      managed.add(domain.uid);
      const { counters, history } = before ?? {
        counters: new VmCounters(),
        history: new History<Sample>(this.#historyLength),
      };
      counters.take(domain, idOf(key));
      history.add(sampleOf(domain, { counters, atMs }));
      this.#vms.set(uid, { uid, namespace, name, host: key, stats: domain, counters, history });
    }
    this.#hosts.set(idOf(key), { kind: "up", key, stats, tookMs: atMs - fromMs, managed });
  }

  #lose(key: HostKey, error: Error): void {
    const known = this.hostOf(key);
    const sinceMs = known?.kind === "down" ? known.sinceMs : this.#options.clock.now();
    this.#hosts.set(idOf(key), { kind: "down", key, sinceMs, error });
  }

  /** Memory is for what exists. */
  #forgetGone(): void {
    const hosts = new Set(this.#hostKeys().map(idOf));
    for (const id of this.#hosts.keys()) if (!hosts.has(id)) this.#hosts.delete(id);
    for (const vm of this.#vms.values()) {
      const exists = this.#options.machines.get(vm)?.metadata.uid === vm.uid;
      if (!exists || !hosts.has(idOf(vm.host))) this.#vms.delete(vm.uid);
    }
  }

  #hostKeys(): readonly HostKey[] {
    return this.#options.providerObjects.list().flatMap((provider) => {
      const { namespace = "", name } = provider.metadata;
      return hostsOf(provider).map((host) => ({ namespace, name, host: host.name }));
    });
  }

  #machinesOf(provider: ProviderKey): readonly VirtualMachine[] {
    const objects = this.#options.providerObjects.list();
    return this.#options.machines.list().filter((vm) => {
      const effective = effectiveProvider(vm, objects);
      return effective.kind === "found" && isSameProvider(effective.key, provider);
    });
  }
}

function idOf(key: HostKey): string {
  return `${key.namespace}/${key.name}/${key.host}`;
}
