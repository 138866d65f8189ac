// The Provider controller: keeps a Host object for each host that a Provider declares, and says what is known of all of them together. Who
// connects to a host and watches it is the Host controller (host.ts).

import { formatKey, Host, isStatus, Provider, VirtualMachine } from "@vivarium/api";
import type { ProviderStatus } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { effectiveProvider, isSameProvider } from "./effective-provider.ts";
import { unknownHealth } from "./host-health.ts";
import type { HostReport, HostReports } from "./host-reports.ts";
import { Pace } from "./pace.ts";
import { hostsOf } from "./provider-config.ts";
import type { DeclaredHost } from "./provider-config.ts";
import { providerStatus } from "./provider-status.ts";
import type { HostOfProvider } from "./provider-status.ts";

export interface ProviderControllerOptions {
  readonly manager: Manager;
  /** Written by the Host controller. */
  readonly reports: HostReports;
  readonly clock: Clock;
}

export function createProviderController({ manager, reports, clock }: ProviderControllerOptions): Controller {
  const objects = manager.cache(Provider);
  const hosts = manager.cache(Host);
  const machines = manager.cache(VirtualMachine);
  const pace = new Pace(clock);

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const provider = objects.get(request);
    const isGone = provider === undefined || provider.metadata.deletionTimestamp !== undefined;
    const declared = isGone ? [] : hostsOf(provider);
    await removeOthers(request, { declared, signal: context.signal });
    if (isGone) return undefined;
    const found: HostOfProvider[] = [];
    for (const host of declared) {
      const known = await ensureHost(provider, host, context);
      if (known !== undefined) found.push({ name: host.name, report: known });
    }
    // Nothing is said before all were tried: what was said before this server started still stands.
    if (found.length < declared.length) return undefined;
    return report(provider, found, context);
  }

  /** Hosts that the Provider does not name any more. */
  async function removeOthers(
    request: ReconcileRequest,
    { declared, signal }: { readonly declared: readonly DeclaredHost[]; readonly signal: AbortSignal },
  ): Promise<void> {
    const { namespace } = request;
    for (const host of hosts.list({ namespace })) {
      const { name, deletionTimestamp } = host.metadata;
      if (host.spec.providerRef.name !== request.name || deletionTimestamp !== undefined) continue;
      if (declared.some((each) => each.name === name)) continue;
      try {
        await manager.client.delete(Host, { namespace, name }, { signal });
      } catch (error) {
        if (!isStatus(error, "NotFound")) throw error;
      }
    }
  }

  async function ensureHost(
    provider: Provider,
    declared: DeclaredHost,
    { signal }: ReconcileContext,
  ): Promise<HostReport | undefined> {
    const { namespace = "", name: providerName, uid = "" } = provider.metadata;
    const key = { namespace, name: declared.name };
    const host = hosts.get(key);
    if (host !== undefined && host.spec.providerRef.name !== providerName) {
      const other = host.spec.providerRef.name;
      const message = `Host "${declared.name}" belongs to Provider "${other}": give it another name`;
      const verdict = { status: "False", reason: "HostNameTaken", message } as const;
      return { verdict, health: unknownHealth };
    }
    if (host === undefined) {
      const owner = { apiVersion: provider.apiVersion, kind: provider.kind, name: providerName, uid };
      await unlessThere(
        manager.client.create(
          Host,
          {
            apiVersion: `${Host.group}/${Host.version}`,
            kind: Host.kind,
            metadata: { ...key, labels: { ...declared.labels }, ownerReferences: [owner] },
            spec: { providerRef: { name: providerName } },
          },
          { signal },
        ),
      );
    }
    const had = host?.metadata.labels ?? {};
    if (host !== undefined && Object.entries(declared.labels).some(([label, value]) => had[label] !== value)) {
      await manager.client.mergePatch(Host, key, { metadata: { labels: declared.labels } }, { signal });
    }
    return reports.get(key);
  }

  async function report(
    provider: Provider,
    found: readonly HostOfProvider[],
    { signal }: ReconcileContext,
  ): Promise<ReconcileResult> {
    const { count: connectedVMs, waitMs } = countOf(provider);
    const status = providerStatus(provider, { nowMs: clock.now(), connectedVMs, hosts: found });
    await writeStatus(manager.client, { type: Provider, object: provider, status }, { signal });
    tellChange(provider, status);
    return waitMs > 0 ? { requeueAfterMs: waitMs } : undefined;
  }

  /** What was told last while it is too early to count again. */
  function countOf(provider: Provider): { readonly count: number; readonly waitMs: number } {
    const key = { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
    const told = provider.status?.connectedVMs ?? 0;
    const waitMs = pace.waitMs(formatKey(key), told);
    if (waitMs > 0) return { count: told, waitMs };
    const all = objects.list();
    const count = machines.list().filter((vm) => {
      const effective = effectiveProvider(vm, all);
      return effective.kind === "found" && isSameProvider(effective.key, key);
    }).length;
    return { count, waitMs: 0 };
  }

  /** An Event for each change of the Ready condition. */
  function tellChange(provider: Provider, status: ProviderStatus): void {
    const readyOf = (from: ProviderStatus | undefined) => from?.conditions?.find((each) => each.type === "Ready");
    const ready = readyOf(status);
    const old = readyOf(provider.status);
    if (
      ready === undefined ||
      ready.status === "Unknown" ||
      (ready.status === old?.status && ready.reason === old.reason)
    )
      return;
    const type = ready.reason === "Connected" ? "Normal" : "Warning";
    manager.recorder.record(provider, { type, reason: ready.reason, message: ready.message });
  }

  return {
    name: "provider",
    for: Provider,
    related: [
      related(Host, ({ metadata, spec }) => [{ namespace: metadata.namespace ?? "", name: spec.providerRef.name }]),
      related(
        VirtualMachine,
        (vm) => {
          const effective = effectiveProvider(vm, objects.list());
          return effective.kind === "found" ? [effective.key] : [];
        },
        { factsOf: ({ spec }) => spec.providerRef },
      ),
    ],
    sources: [
      (enqueue, { signal }) =>
        reports.subscribe(
          (host) => {
            const name = hosts.get(host)?.spec.providerRef.name;
            if (name !== undefined) enqueue({ namespace: host.namespace, name });
          },
          { signal },
        ),
    ],
    reconcile,
  };
}

/** Made a moment ago: the cache has not heard of it yet. */
async function unlessThere(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!isStatus(error, "AlreadyExists")) throw error;
  }
}
