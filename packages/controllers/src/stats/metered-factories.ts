// Counts what is asked of hypervisors, under the names that dashboards for this API already know. It stands between the controllers and
// every provider, so that no provider has to count.

import { isProviderError } from "@vivarium/provider";
import type { Provider, ProviderFactory } from "@vivarium/provider";
import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { lifecycleMeter } from "./lifecycle-meter.ts";
import type { Asked } from "./lifecycle-meter.ts";

/** Called when an ask begins; the result when it ends. */
type Meter = (method: string, args: readonly unknown[]) => (code: string) => void;

export function meteredFactories(
  factories: ReadonlyMap<string, ProviderFactory>,
  registry: Registry,
): ReadonlyMap<string, ProviderFactory> {
  const meter = meterOf(registry);
  return new Map(
    [...factories].map(([type, factory]) => [
      type,
      {
        type,
        open: (config, options) =>
          meteredProvider(factory.open(config, options), (method, args) =>
            meter({ providerType: type, provider: options?.name ?? "", method, args }),
          ),
      },
    ]),
  );
}

function meterOf(registry: Registry): (asked: Asked) => (code: string) => void {
  const lifecycle = lifecycleMeter(registry);
  const registers = [registry];
  const total = new Counter({
    name: "virtrigaud_provider_rpc_requests_total",
    help: "What was asked of providers, by method and outcome.",
    labelNames: ["provider_type", "method", "code"],
    registers,
  });
  const seconds = new Histogram({
    name: "virtrigaud_provider_rpc_latency_seconds",
    help: "Time to the provider's answer.",
    labelNames: ["provider_type", "method"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  return (asked) => {
    const { providerType: type, method } = asked;
    const end = lifecycle.begin(asked);
    const from = performance.now();
    return (code) => {
      const took = (performance.now() - from) / 1000;
      total.inc({ provider_type: type, method, code });
      seconds.observe({ provider_type: type, method }, took);
      end({ code, seconds: took });
    };
  };
}

/** Its roles are metered, and `describe`; what does not ask the hypervisor goes through. */
function meteredProvider(provider: Provider, meter: Meter): Provider {
  const roles = new Map<string | symbol, object>();
  return new Proxy(provider, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (key === "describe" && isFunction(found)) return metered(found, { target, method: key, meter });
      if (typeof found !== "object" || found === null) return found;
      const role = roles.get(key) ?? meteredRole(found, String(key), meter);
      roles.set(key, role);
      return role;
    },
  });
}

function meteredRole(role: object, name: string, meter: Meter): object {
  return new Proxy(role, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      return isFunction(found) ? metered(found, { target, method: `${name}.${String(key)}`, meter }) : found;
    },
  });
}

function metered(
  call: (...args: readonly unknown[]) => unknown,
  { target, method, meter }: { readonly target: object; readonly method: string; readonly meter: Meter },
): (...args: readonly unknown[]) => Promise<unknown> {
  return async (...args) => {
    const end = meter(method, args);
    try {
      const answer = await Reflect.apply(call, target, args);
      end("OK");
      return answer;
    } catch (error) {
      end(codeOf(error));
      throw error;
    }
  };
}

/** What is no provider's error is the caller's own abort, or a bug. */
function codeOf(error: unknown): string {
  if (isProviderError(error)) return error.code;
  return error instanceof Error && error.name === "AbortError" ? "Canceled" : "Unknown";
}

function isFunction(value: unknown): value is (...args: readonly unknown[]) => unknown {
  return typeof value === "function";
}
