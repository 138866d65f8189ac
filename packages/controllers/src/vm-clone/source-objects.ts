// The objects that say what a clone or a template is made from.

import { Provider, VirtualMachine, VMImage, VMSnapshot, VMTemplate } from "@vivarium/api";
import type { Manager } from "@vivarium/runtime";

interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface SourceObjects {
  machine(key: Key): VirtualMachine | undefined;
  snapshot(key: Key): VMSnapshot | undefined;
  image(key: Key): VMImage | undefined;
  templates(): readonly VMTemplate[];
  provider(key: Key): Provider | undefined;
  providers(): readonly Provider[];
}

export function sourceObjectsOf(manager: Manager): SourceObjects {
  const machines = manager.cache(VirtualMachine);
  const snapshots = manager.cache(VMSnapshot);
  const images = manager.cache(VMImage);
  const templates = manager.cache(VMTemplate);
  const providers = manager.cache(Provider);
  return {
    machine: (key) => machines.get(key),
    snapshot: (key) => snapshots.get(key),
    image: (key) => images.get(key),
    templates: () => templates.list(),
    provider: (key) => providers.get(key),
    providers: () => providers.list(),
  };
}
