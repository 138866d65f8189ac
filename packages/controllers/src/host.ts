// The Host controller: opens a connection to each host of each Provider, watches its health, and says what was found there.
//
//   connection and domain events ─┐
//   Secret, Provider, Host ───────┼─► observe ─► decide ─► open | check | refuse | report
//   interval ─────────────────────┘
//
// Each host is a request of its own: one that does not answer holds up no other.

import { formatKey, Host, InvalidValueError, Provider, Secret, VirtualMachine } from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { checkFailed, checkSucceeded, connected, disconnected, unknownHealth } from "./host-health.ts";
import type { HostFindings, HostHealth } from "./host-health.ts";
import { decideHost } from "./host-plan.ts";
import type { HostObservation } from "./host-plan.ts";
import type { HostReport, HostReports } from "./host-reports.ts";
import { otherMachine } from "./host-identity.ts";
import { hostStatus } from "./host-status.ts";
import { verdictOf } from "./host-verdict.ts";
import type { OpenProviders } from "./open-providers.ts";
import { credentialsIn, healthCheckOf, hostsOf } from "./provider-config.ts";
import type { DeclaredHost } from "./provider-config.ts";
import type { HostKey } from "./provider-registry.ts";
import { domainUidOf } from "./virtual-machine/resolve/definition.ts";

export interface HostControllerOptions {
  readonly manager: Manager;
  readonly providers: OpenProviders;
  readonly reports: HostReports;
  readonly clock: Clock;
}

/** Domains come and go together: they are counted again a moment after the first. */
const recountAfterMs = 2_000;

/** What is known of a host only while this process lives. */
interface HostMemory {
  health: HostHealth;
  recountAtMs: number | undefined;
  /** Under which key it is open. */
  key: HostKey | undefined;
  /** Ends the check under way: the loss of the connection has said all there is to say. */
  check: AbortController | undefined;
}

export function createHostController({ manager, providers, reports, clock }: HostControllerOptions): Controller {
  const hosts = manager.cache(Host);
  const objects = manager.cache(Provider);
  const secrets = manager.cache(Secret);
  const machinesByDomain = manager.cache(VirtualMachine).index((vm) => [domainUidOf(vm)]);
  const memories = new Map<string, HostMemory>();

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const memory = memoryOf(request);
    for (;;) {
      const host = hosts.get(request);
      const observation = observe(request, host);
      const { declared } = observation;
      const step = decideHost(observation);
      switch (step.kind) {
        case "close":
          await close(memory);
          memories.delete(formatKey(request));
          reports.delete(request);
          return undefined;
        case "refuse": {
          await close(memory);
          memory.health = unknownHealth;
          const verdict = { status: "False", ...step.refusal } as const;
          reports.set(request, { verdict, health: unknownHealth });
          await report(host, { declared, verdict }, context);
          return undefined;
        }
        case "open": {
          if (declared === undefined) return undefined;
          const key = keyOf(declared);
          if (memory.key !== undefined && idOfKey(memory.key) !== idOfKey(key)) await providers.close(memory.key);
          memory.key = key;
          memory.health = unknownHealth;
          await providers.open(key, step.connection);
          break;
        }
        case "check":
          if (declared !== undefined)
            await check(memory, { ...declared, timeoutMs: step.timeoutMs, signal: context.signal });
          break;
        case "report": {
          if (declared === undefined) return undefined;
          const { nextCheckMs, lookAgainAtMs } = step;
          const { health } = observation;
          const next = nextCheckMs === undefined ? {} : { nextCheckMs };
          const { endpoint } = declared.host;
          const other = otherMachine(host?.status, { findings: health.findings, endpoint });
          const told = verdictOf(health, { endpoint, ...next });
          const verdict = told.status === "True" ? (other ?? told) : told;
          reports.set(request, { verdict, health });
          await report(host, { declared, verdict, health }, context);
          return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
        }
      }
    }
  }

  function memoryOf(request: ReconcileRequest): HostMemory {
    const found = memories.get(formatKey(request));
    if (found !== undefined) return found;
    const made: HostMemory = { health: unknownHealth, recountAtMs: undefined, key: undefined, check: undefined };
    memories.set(formatKey(request), made);
    return made;
  }

  function observe(request: ReconcileRequest, host: Host | undefined): HostObservation {
    const declared = declaredOf(host);
    const { health, recountAtMs } = memoryOf(request);
    return {
      nowMs: clock.now(),
      declared,
      types: providers.types,
      secret: declared === undefined ? { kind: "not-wanted" } : secretOf(declared),
      isOpen: (connection) => declared !== undefined && providers.isOpen(keyOf(declared), connection),
      health,
      ...(recountAtMs === undefined ? {} : { recountAtMs }),
    };
  }

  function declaredOf(host: Host | undefined): HostObservation["declared"] {
    if (host === undefined || host.metadata.deletionTimestamp !== undefined) return undefined;
    const namespace = host.metadata.namespace ?? "";
    const provider = objects.get({ namespace, name: host.spec.providerRef.name });
    if (provider === undefined || provider.metadata.deletionTimestamp !== undefined) return undefined;
    const found = hostsOf(provider).find(({ name }) => name === host.metadata.name);
    return found === undefined ? undefined : { provider, host: found };
  }

  function secretOf({ provider, host }: NonNullable<HostObservation["declared"]>): HostObservation["secret"] {
    const ref = host.credentialSecretRef;
    if (ref === undefined) return { kind: "not-wanted" };
    const namespace = ref.namespace ?? provider.metadata.namespace ?? "";
    const secret = secrets.get({ namespace, name: ref.name });
    if (secret === undefined) {
      const isElsewhere = namespace !== provider.metadata.namespace;
      return { kind: "missing", name: isElsewhere ? `${namespace}/${ref.name}` : ref.name };
    }
    return { kind: "found", entries: credentialsIn(secret) };
  }

  async function close(memory: HostMemory): Promise<void> {
    const { key } = memory;
    memory.key = undefined;
    if (key !== undefined) await providers.close(key);
  }

  async function check(
    memory: HostMemory,
    {
      provider,
      timeoutMs,
      signal,
    }: { readonly provider: Provider; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const open = memory.key && providers.get(memory.key);
    if (open === undefined) return;
    const thresholds = healthCheckOf(provider);
    const lost = new AbortController();
    memory.check = lost;
    memory.recountAtMs = undefined;
    try {
      const findings = await findInTime(open, { timeoutMs, signal: AbortSignal.any([signal, lost.signal]) });
      memory.health = checkSucceeded(memory.health, { ...thresholds, findings, nowMs: clock.now() });
    } catch (error) {
      signal.throwIfAborted();
      if (lost.signal.aborted) return;
      if (!isProviderError(error)) throw error;
      memory.health = checkFailed(memory.health, { ...thresholds, error, nowMs: clock.now() });
    } finally {
      memory.check = undefined;
    }
  }

  async function findInTime(
    open: OpenProvider,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<HostFindings> {
    const deadline = new AbortController();
    const ended = new AbortController();
    const timeout = new ProviderError("Timeout", `The hypervisor did not answer within ${timeoutMs / 1000} s`);
    clock.delay(timeoutMs, { signal: ended.signal }).then(
      () => deadline.abort(timeout),
      () => {}, // The check ended first.
    );
    try {
      return await find(open, AbortSignal.any([signal, deadline.signal]));
    } catch (error) {
      throw deadline.signal.aborted ? timeout : error;
    } finally {
      ended.abort();
    }
  }

  async function report(
    host: Host | undefined,
    {
      declared,
      verdict,
      health,
    }: { readonly declared: HostObservation["declared"] } & Pick<HostReport, "verdict"> & Partial<HostReport>,
    { signal }: ReconcileContext,
  ): Promise<void> {
    if (host === undefined || declared === undefined) return;
    const { policy, endpoint } = declared.host;
    const status = hostStatus(host, {
      nowMs: clock.now(),
      verdict,
      endpoint,
      ...(health === undefined ? {} : { health }),
      ...(policy instanceof InvalidValueError ? {} : { policy }),
      isOurs: (uid) => machinesByDomain.count(uid) > 0,
      roles: providers.get(keyOf(declared)) ?? {},
    });
    await writeStatus(manager.client, { type: Host, object: host, status }, { signal });
  }

  function requestsOf(provider: Provider): readonly ReconcileRequest[] {
    const namespace = provider.metadata.namespace ?? "";
    return hosts
      .list({ namespace })
      .filter((host) => host.spec.providerRef.name === provider.metadata.name)
      .map((host) => ({ namespace, name: host.metadata.name }));
  }

  return {
    name: "host",
    for: Host,
    related: [
      related(Provider, requestsOf),
      related(Secret, (secret) => objects.list().flatMap((each) => (isUsedBy(secret, each) ? requestsOf(each) : []))),
    ],
    sources: [
      (enqueue, { signal }) => {
        providers.subscribe(
          ({ provider: key, event }) => {
            const request = { namespace: key.namespace, name: key.host };
            const memory = memoryOf(request);
            switch (event.kind) {
              case "connected":
                memory.health = connected(memory.health);
                break;
              case "disconnected":
                memory.health = disconnected(memory.health, { error: event.error, nowMs: clock.now() });
                memory.check?.abort();
                break;
              case "vm":
                if (memory.recountAtMs !== undefined) return;
                memory.recountAtMs = clock.now() + recountAfterMs;
                break;
              default:
                return;
            }
            enqueue(request);
          },
          { signal },
        );
        signal.addEventListener("abort", () => void providers.closeAll(), { once: true });
      },
    ],
    // Those that do not answer wait for their time-out; the others shall not wait for them.
    concurrency: 16,
    reconcile,
  };
}

async function find(open: OpenProvider, signal: AbortSignal): Promise<HostFindings> {
  // First whether it answers at all: it waits for the connection.
  const info = await open.describe({ signal });
  if (open.host === undefined) return { info };
  const [details, domains] = await Promise.all([open.host.details({ signal }), open.host.domains({ signal })]);
  return { info, details, domains };
}

function isUsedBy(secret: Secret, provider: Provider): boolean {
  return hostsOf(provider).some(({ credentialSecretRef: ref }) => {
    const namespace = ref?.namespace ?? provider.metadata.namespace;
    return ref?.name === secret.metadata.name && namespace === secret.metadata.namespace;
  });
}

function keyOf({ provider, host }: { readonly provider: Provider; readonly host: DeclaredHost }): HostKey {
  return { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name, host: host.name };
}

function idOfKey(key: HostKey): string {
  return `${formatKey(key)}/${key.host}`;
}
