// The Provider controller: opens a connection for each Provider object, watches its health, and says what was found there.
//
//   connection events ─┐
//   Secret, Provider ──┼─► observe ─► decide ─► open | check | refuse | report
//   interval ──────────┘

import { Provider, Secret, VirtualMachine } from "@vivarium/api";
import type { ProviderStatus } from "@vivarium/api";
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
import { effectiveProvider, isSameProvider } from "./effective-provider.ts";
import type { OpenProviders } from "./open-providers.ts";
import { checkFailed, checkSucceeded, connected, disconnected, unknownHealth } from "./provider-health.ts";
import type { ProviderHealth } from "./provider-health.ts";
import { decideProvider, healthCheckOf } from "./provider-plan.ts";
import type { ProviderObservation } from "./provider-plan.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { healthStatus, refusedStatus } from "./provider-status.ts";

export interface ProviderControllerOptions {
  readonly manager: Manager;
  readonly providers: OpenProviders;
  readonly clock: Clock;
}

export function createProviderController({ manager, providers, clock }: ProviderControllerOptions): Controller {
  const objects = manager.cache(Provider);
  const secrets = manager.cache(Secret);
  const machines = manager.cache(VirtualMachine);
  const healths = new Map<string, ProviderHealth>();
  /** Checks under way: the loss of the connection ends them at once. */
  const checks = new Map<string, AbortController>();

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    for (;;) {
      const observation = observe(request);
      const { provider } = observation;
      const step = decideProvider(observation);
      switch (step.kind) {
        case "close":
          healths.delete(idOf(request));
          await providers.close(request);
          return undefined;
        case "refuse":
          healths.delete(idOf(request));
          await providers.close(request);
          if (provider !== undefined)
            await report(provider, refusedStatus(provider, { ...step, ...common(provider) }), context);
          return undefined;
        case "open":
          healths.set(idOf(request), unknownHealth);
          if (provider !== undefined) await providers.open(request, { type: provider.spec.type, config: step.config });
          break;
        case "check":
          if (provider !== undefined)
            await check(provider, { key: request, timeoutMs: step.timeoutMs, signal: context.signal });
          break;
        case "report": {
          if (provider === undefined) return undefined;
          const { nextCheckMs } = step;
          const next = nextCheckMs === undefined ? {} : { nextCheckMs };
          const { health } = observation;
          await report(provider, healthStatus(provider, { health, ...next, ...common(provider) }), context);
          return nextCheckMs === undefined ? undefined : { requeueAfterMs: Math.max(0, nextCheckMs - clock.now()) };
        }
      }
    }
  }

  function observe(request: ReconcileRequest): ProviderObservation {
    const provider = objects.get(request);
    return {
      nowMs: clock.now(),
      provider,
      types: providers.types,
      secret: provider === undefined ? { kind: "not-wanted" } : secretOf(provider),
      isOpen: (config) => provider !== undefined && providers.isOpen(request, { type: provider.spec.type, config }),
      health: healths.get(idOf(request)) ?? unknownHealth,
    };
  }

  function secretOf(provider: Provider): ProviderObservation["secret"] {
    const ref = provider.spec.credentialSecretRef;
    if (ref === undefined) return { kind: "not-wanted" };
    const namespace = ref.namespace ?? provider.metadata.namespace ?? "";
    const secret = secrets.get({ namespace, name: ref.name });
    if (secret === undefined) {
      const isElsewhere = namespace !== provider.metadata.namespace;
      return { kind: "missing", name: isElsewhere ? `${namespace}/${ref.name}` : ref.name };
    }
    const decode = ([name, value]: [string, string]): [string, string] => [
      name,
      Buffer.from(value, "base64").toString(),
    ];
    return { kind: "found", entries: Object.fromEntries(Object.entries(secret.data ?? {}).map(decode)) };
  }

  async function check(
    provider: Provider,
    { key, timeoutMs, signal }: { readonly key: ProviderKey; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const open = providers.get(key);
    if (open === undefined) return;
    const thresholds = healthCheckOf(provider);
    const lost = new AbortController();
    checks.set(idOf(key), lost);
    try {
      const info = await describeInTime(open, { timeoutMs, signal: AbortSignal.any([signal, lost.signal]) });
      update(key, (health) => checkSucceeded(health, { ...thresholds, info, nowMs: clock.now() }));
    } catch (error) {
      signal.throwIfAborted();
      // The connection event that ended the check has said all there is to say.
      if (lost.signal.aborted) return;
      if (!isProviderError(error)) throw error;
      update(key, (health) => checkFailed(health, { ...thresholds, error, nowMs: clock.now() }));
    } finally {
      checks.delete(idOf(key));
    }
  }

  async function describeInTime(
    open: OpenProvider,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ) {
    const deadline = new AbortController();
    const ended = new AbortController();
    const timeout = new ProviderError("Timeout", `The hypervisor did not answer within ${timeoutMs / 1000} s`);
    clock.delay(timeoutMs, { signal: ended.signal }).then(
      () => deadline.abort(timeout),
      () => {}, // The check ended first.
    );
    try {
      return await open.describe({ signal: AbortSignal.any([signal, deadline.signal]) });
    } catch (error) {
      throw deadline.signal.aborted ? timeout : error;
    } finally {
      ended.abort();
    }
  }

  function update(key: ProviderKey, change: (health: ProviderHealth) => ProviderHealth): void {
    healths.set(idOf(key), change(healths.get(idOf(key)) ?? unknownHealth));
  }

  async function report(provider: Provider, status: ProviderStatus, { signal }: ReconcileContext): Promise<void> {
    await writeStatus(manager.client, { type: Provider, object: provider, status }, { signal });
    tellChange(provider, status);
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
    const type = ready.status === "True" ? "Normal" : "Warning";
    manager.recorder.record(provider, { type, reason: ready.reason, message: ready.message });
  }

  function common(provider: Provider) {
    const key = { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
    const connectedVMs = machines.list().filter((vm) => {
      const effective = effectiveProvider(vm, objects.list());
      return effective.kind === "found" && isSameProvider(effective.key, key);
    }).length;
    return { nowMs: clock.now(), connectedVMs };
  }

  function onConnection(key: ProviderKey, change: (health: ProviderHealth) => ProviderHealth): void {
    update(key, change);
    checks.get(idOf(key))?.abort();
  }

  return {
    name: "provider",
    for: Provider,
    related: [
      related(Secret, (secret) =>
        objects
          .list()
          .filter((provider) => isUsedBy(secret, provider))
          .map(requestOf),
      ),
      related(VirtualMachine, (vm) => {
        const effective = effectiveProvider(vm, objects.list());
        return effective.kind === "found" ? [effective.key] : [];
      }),
    ],
    sources: [
      (enqueue, { signal }) => {
        providers.subscribe(
          ({ provider: key, event }) => {
            switch (event.kind) {
              case "connected":
                update(key, connected);
                enqueue(key);
                break;
              case "disconnected":
                onConnection(key, (health) => disconnected(health, { error: event.error, nowMs: clock.now() }));
                enqueue(key);
                break;
              case "vm":
              case "pool":
                break;
            }
          },
          { signal },
        );
        signal.addEventListener("abort", () => void providers.closeAll(), { once: true });
      },
    ],
    reconcile,
  };
}

function isUsedBy(secret: Secret, provider: Provider): boolean {
  const ref = provider.spec.credentialSecretRef;
  const namespace = ref?.namespace ?? provider.metadata.namespace;
  return ref?.name === secret.metadata.name && namespace === secret.metadata.namespace;
}

function requestOf(provider: Provider): ReconcileRequest {
  return { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
}

function idOf(key: ProviderKey): string {
  return `${key.namespace}/${key.name}`;
}
