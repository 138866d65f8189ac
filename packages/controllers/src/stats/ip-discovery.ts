// How long a machine that was started took to be seen at an address: what somebody who waits for it waits for.

import { Provider, VirtualMachine } from "@vivarium/api";
import type { Clock, Manager } from "@vivarium/runtime";
import { Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { effectiveProvider } from "../effective-provider.ts";

export function exposeIpDiscovery(
  manager: Manager,
  { registry, clock }: { readonly registry: Registry; readonly clock: Clock },
): void {
  const providers = manager.cache(Provider);
  const seconds = new Histogram({
    name: "virtrigaud_ip_discovery_duration_seconds",
    help: "From the start of a machine to its first address.",
    labelNames: ["provider_type"],
    buckets: Array.from({ length: 10 }, (_, power) => 0.1 * 2 ** power),
    registers: [registry],
  });
  /** By uid: the start whose address was seen. */
  const seen = new Map<string, string>();
  manager.cache(VirtualMachine).onChange((change) => {
    const vm = change.kind === "set" ? change.object : change.previous;
    const uid = vm.metadata.uid ?? "";
    if (change.kind === "deleted") {
      seen.delete(uid);
      return;
    }
    const { ips = [], startedAt } = change.object.status ?? {};
    if (startedAt === undefined || ips.length === 0 || seen.get(uid) === startedAt) return;
    seen.set(uid, startedAt);
    // One that was there when this process began took nobody knows how long.
    const before = change.previous?.status;
    if (before === undefined || (before.startedAt === startedAt && (before.ips ?? []).length > 0)) return;
    const effective = effectiveProvider(vm, providers.list());
    const type = effective.kind === "found" ? providers.get(effective.key)?.spec.type : undefined;
    seconds.observe({ provider_type: type ?? "unknown" }, Math.max(0, clock.now() - Date.parse(startedAt)) / 1000);
  });
}
