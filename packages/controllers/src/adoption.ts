// The adoption controller: looks at the domains of a Provider when its annotations ask for it, says what it would make of them, and, where
// that is wanted, makes a VirtualMachine of each. What happens to the domain then is the VirtualMachine controller's part.

import { formatTime, Provider, StatusError, VirtualMachine } from "@vivarium/api";
import type { ProviderStatus } from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { adoptionRequestOf, planAdoption } from "./adoption-plan.ts";
import type { AdoptionRequest, FoundDomain } from "./adoption-plan.ts";
import { effectiveProvider, isSameProvider } from "./effective-provider.ts";
import { hostsOf } from "./provider-config.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import { withDeadline } from "./deadline.ts";

export interface AdoptionControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

type Adoption = NonNullable<ProviderStatus["adoption"]>;
type Wanted = Extract<AdoptionRequest, { kind: "wanted" }>;

/** Domains that come later are found at the next look. */
const lookAgainMs = 600_000;
const retryMs = 10_000;
const listDeadlineMs = 60_000;
const mostListed = 500;

export function createAdoptionController({ manager, providers, clock }: AdoptionControllerOptions): Controller {
  const objects = manager.cache(Provider);
  const machines = manager.cache(VirtualMachine);

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const provider = objects.get(request);
    if (provider === undefined || provider.metadata.deletionTimestamp !== undefined) return undefined;
    const wanted = adoptionRequestOf(provider);
    const { adoption } = provider.status ?? {};
    switch (wanted.kind) {
      case "none":
        return undefined;
      case "invalid":
        await report(provider, { request: wanted.id, message: wanted.message }, context);
        return undefined;
      case "wanted": {
        const lookedAtMs = adoption?.request === wanted.id ? Date.parse(adoption.lastDiscoveryTime ?? "") : Number.NaN;
        if (wanted.mode === "DryRun" && !Number.isNaN(lookedAtMs)) return undefined;
        const nextMs = lookedAtMs + lookAgainMs;
        if (nextMs > clock.now()) return { requeueAfterMs: nextMs - clock.now() };
        return discover(provider, wanted, context);
      }
    }
  }

  async function discover(provider: Provider, wanted: Wanted, context: ReconcileContext): Promise<ReconcileResult> {
    const hosts = hostsOf(provider);
    let found: readonly FoundDomain[];
    try {
      const lists = await Promise.all(hosts.map(({ name }) => domainsOn(provider, name, context)));
      found = lists.flat();
    } catch (error) {
      if (!isProviderError(error)) throw error;
      // Half of the hosts would make a list that passes for the whole.
      const message = `Cannot look for domains: ${error.message}; tried again every ${retryMs / 1000} s`;
      await report(provider, { ...provider.status?.adoption, message }, context);
      return { requeueAfterMs: retryMs };
    }
    const hasSeveralHosts = hosts.length > 1;
    const plan = planAdoption(provider, { found, filter: wanted.filter, machines: machines.list(), hasSeveralHosts });
    const failures = wanted.mode === "Adopt" ? await adopt(plan.machines, context) : new Map<string, string>();
    const candidates = plan.candidates.map((each) => {
      const reason = failures.get(each.uuid);
      if (reason !== undefined) return { ...each, verdict: "Refused" as const, reason };
      const isAdopted = wanted.mode === "Adopt" && each.verdict === "Adoptable";
      return isAdopted ? { ...each, verdict: "Adopted" as const } : each;
    });
    const count = (verdict: string): number => candidates.filter((each) => each.verdict === verdict).length;
    const summary =
      wanted.mode === "DryRun"
        ? `${count("Adoptable")} would be adopted, ${count("Adopted")} are adopted, ${count("Refused")} cannot be`
        : `${count("Adopted")} are adopted, ${count("Refused")} cannot be`;
    const more = candidates.length > mostListed ? `; the first ${mostListed} are listed` : "";
    await report(
      provider,
      {
        mode: wanted.mode,
        request: wanted.id,
        discoveredVMs: candidates.length,
        adoptedVMs: adoptedOn(provider),
        failedAdoptions: count("Refused"),
        lastDiscoveryTime: formatTime(new Date(clock.now())),
        message: `Of ${plan.seen} domains ${candidates.length} were asked for: ${summary}${more}`,
        candidates: candidates.slice(0, mostListed),
      },
      context,
    );
    return wanted.mode === "DryRun" ? undefined : { requeueAfterMs: lookAgainMs };
  }

  async function domainsOn(
    provider: Provider,
    host: string,
    { signal }: ReconcileContext,
  ): Promise<readonly FoundDomain[]> {
    const key = { ...keyOf(provider), host };
    const open = providers.get(key);
    if (open === undefined) throw new ProviderError("Unavailable", `Host "${host}" is not connected`);
    const role = open.adoption;
    if (role === undefined) throw new ProviderError("Unsupported", `Host "${host}" has no way to adopt domains`);
    const domains = await withDeadline((deadline) => role.list({ signal: deadline }), {
      clock,
      what: `list the domains of host "${host}"`,
      deadlineMs: listDeadlineMs,
      signal,
    });
    return domains.map((domain) => ({ host, domain }));
  }

  /** What could not be created, by the domain's UUID, and why. */
  async function adopt(
    wanted: readonly VirtualMachine[],
    { signal }: ReconcileContext,
  ): Promise<ReadonlyMap<string, string>> {
    const failures = new Map<string, string>();
    for (const vm of wanted) {
      try {
        await manager.client.create(VirtualMachine, vm, { signal });
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        failures.set(vm.spec.adopt?.uuid ?? "", error.message);
      }
    }
    return failures;
  }

  function adoptedOn(provider: Provider): number {
    const key = keyOf(provider);
    return machines.list().filter((vm) => {
      const effective = effectiveProvider(vm, objects.list());
      return vm.spec.adopt !== undefined && effective.kind === "found" && isSameProvider(effective.key, key);
    }).length;
  }

  async function report(provider: Provider, adoption: Adoption, { signal }: ReconcileContext): Promise<void> {
    const status = { ...provider.status, adoption };
    await writeStatus(manager.client, { type: Provider, object: provider, status }, { signal });
    if (adoption.message === undefined || adoption.message === provider.status?.adoption?.message) return;
    const isFine = adoption.lastDiscoveryTime !== undefined && (adoption.failedAdoptions ?? 0) === 0;
    const reason = adoption.mode === "Adopt" ? "Adoption" : "AdoptionDryRun";
    manager.recorder.record(provider, { type: isFine ? "Normal" : "Warning", reason, message: adoption.message });
  }

  return {
    name: "adoption",
    for: Provider,
    sources: [
      (enqueue, { signal }) =>
        providers.subscribe(
          ({ provider: { namespace, name }, event }) => {
            if (event.kind === "connected") enqueue({ namespace, name });
          },
          { signal },
        ),
    ],
    reconcile,
  };
}

function keyOf(provider: Provider): Pick<ProviderKey, "namespace" | "name"> {
  return { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
}
