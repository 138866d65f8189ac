// What happens at a hypervisor wakes the VMs that it concerns.

import type { Controller, ReconcileRequest } from "@vivarium/runtime";
import type { HostKey, RegistryEvent } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { hasSeveralHosts, hostOfVm } from "../vm-host.ts";
import type { VmContext } from "./context.ts";
import { isOnProvider } from "./on-provider.ts";

export function wakeUps(context: VmContext): NonNullable<Controller["sources"]> {
  return [
    (enqueue, { signal }) =>
      context.providers.subscribe(
        (happened) => {
          for (const request of wokenBy(context, happened)) enqueue(request);
        },
        { signal },
      ),
    (enqueue, { signal }) =>
      context.placer.ledger.subscribe(
        (change) => {
          for (const request of context.placer.waiting.concernedBy(change)) enqueue(request);
        },
        { signal },
      ),
    (enqueue, { signal }) => context.placer.findings.subscribe(enqueue, { signal }),
  ];
}

function wokenBy(context: VmContext, { provider, event }: RegistryEvent): readonly ReconcileRequest[] {
  const { memories } = context;
  switch (event.kind) {
    case "connected": {
      const requests = machinesOn(context, provider);
      for (const request of requests) {
        memories.forgetFailure(request);
        memories.stir(request);
      }
      return requests;
    }
    case "disconnected":
      return machinesOn(context, provider);
    case "pool":
    case "network":
      return [];
    case "vm": {
      const request = memories.requestOfDomain(event.uid);
      if (request === undefined) return [];
      memories.stir(request);
      return [request];
    }
  }
}

/** And not on another host of it. */
function machinesOn({ objects }: VmContext, key: HostKey): readonly ReconcileRequest[] {
  const provider = objects.providers.get(key);
  const providers = objects.providers.list();
  return objects.machines.list().flatMap((vm) => {
    const host = provider && hostOfVm(vm, provider);
    const isElsewhere = provider !== undefined && hasSeveralHosts(provider) && host !== undefined && host !== key.host;
    return !isElsewhere && isOnProvider(vm, key, providers) ? [requestOf(vm)] : [];
  });
}
