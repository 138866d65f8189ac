// On which host of its Provider a VM is: chosen once, written down before anything is made, and then held to. The choice itself is in
// placement/, when there is one in host-chooser.ts.

import type { Provider, VirtualMachine } from "@vivarium/api";
import type { Placement } from "../placement/model.ts";
import { hasSeveralHosts } from "../vm-host.ts";
import type { VmContext } from "./context.ts";
import { chooseHost } from "./host-chooser.ts";
import type { Look } from "./look.ts";
import type { Resolved } from "./plan/input.ts";

/** The VM as it is remembered, which may be ahead of its status. */
export function boundVm({ vm, record }: Look): VirtualMachine {
  if (record.host === undefined || vm.status?.host === record.host) return vm;
  return { ...vm, status: { ...vm.status, host: record.host } };
}

/** Undefined where there is nothing to choose. */
export function hostChoiceOf({ placer }: VmContext, look: Look, provider: Provider | undefined): Placement | undefined {
  return provider && chooseHost(boundVm(look), provider, placer);
}

export function bindHost({ placer }: VmContext, look: Look, host: string): void {
  placer.ledger.bind(look.vm, host);
  look.remember({ ...look.record, host });
}

/** A VM stays on its host, so a host that is named later is a problem. */
export function checkBinding({ vm, record }: Look, provider: Provider | undefined): Resolved<undefined> {
  const wanted = vm.spec.placement?.host;
  const isBound = record.host !== undefined && provider !== undefined && hasSeveralHosts(provider);
  if (!isBound || wanted === undefined || wanted === record.host) return { ok: true, value: undefined };
  const { name } = vm.metadata;
  const message = `spec.placement.host names "${wanted}", but this VM is on host "${record.host}", and its spec moves it nowhere: make a VMMigration (viv migrate ${name} --to ${wanted}) without that field, or name "${record.host}"`;
  return { ok: false, problems: [{ reason: "InvalidSpec", message }] };
}
