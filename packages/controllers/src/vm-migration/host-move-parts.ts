// What a move to another host works with.

import type { Provider, VirtualMachine } from "@vivarium/api";
import type { MoveProgress, MoveReport, Provider as OpenProvider } from "@vivarium/provider";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import { providerOf } from "./migration-parts.ts";
import type { MigrationParts } from "./migration-parts.ts";

export interface HostMoveParts extends MigrationParts {
  readonly tasks: ObjectTasks<MoveReport, MoveProgress>;
}

interface Place {
  readonly provider: Provider | undefined;
  readonly open: (host: string) => OpenProvider | undefined;
}

/** Where a machine is, and the hosts that it may go to. */
export function placeOf(parts: MigrationParts, vm: VirtualMachine): Place {
  const provider = providerOf(parts, vm);
  const { namespace = "", name = "" } = provider?.metadata ?? {};
  return {
    provider,
    open: (host) => (provider === undefined ? undefined : parts.providers.get({ namespace, name, host })),
  };
}
