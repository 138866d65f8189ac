// `viv status`: without a name the whole installation, with a name where one VM stands and what comes next.

import { Provider, VirtualMachine } from "@vivarium/api";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { connect, type Session } from "../session/connect.ts";
import { readyCondition, stageOf } from "../session/vm.ts";

type StatusOptions = GlobalOptions & { readonly output?: "json" | "yaml" };

export async function status(name: string | undefined, options: StatusOptions): Promise<void> {
  await using session = await connect(options);
  const report = name === undefined ? await installation(session) : await oneVm(session, name);
  if (options.output !== undefined) await showValue(report, options.output);
  else print(linesOf(report).join("\n"));
}

type Report = Readonly<Record<string, string | readonly string[] | undefined>>;

async function installation(session: Session): Promise<Report> {
  const [providers, vms] = await Promise.all([session.client.list(Provider), session.client.list(VirtualMachine)]);
  const phases = Map.groupBy(vms.items, (vm) => vm.status?.phase ?? "Pending");
  return {
    server: session.server,
    state: session.stateDir.path,
    providers: providers.items.map((provider) => {
      const { metadata, status } = provider;
      const ready = status?.conditions?.find((condition) => condition.type === "Ready");
      const health = status?.healthy === true ? "healthy" : `not healthy: ${ready?.message ?? "not looked at yet"}`;
      const acceleration = status?.acceleration;
      const how = acceleration === undefined ? "" : `; ${acceleration.kind}: ${acceleration.reason}`;
      return `${metadata.namespace ?? ""}/${metadata.name} ${health}; ${status?.version ?? "version unknown"}${how}`;
    }),
    vms: [...phases].map(([phase, items]) => `${items.length} ${phase}`),
  };
}

async function oneVm(session: Session, name: string): Promise<Report> {
  const vm = await session.client.get(VirtualMachine, { namespace: session.namespace, name });
  const ready = readyCondition(vm);
  const next = vm.status?.nextAttemptTime;
  return {
    vm: `${vm.metadata.namespace ?? ""}/${name}`,
    stage: stageOf(vm),
    ready:
      ready === undefined
        ? "not looked at yet"
        : `${ready.status} since ${formatDuration(Date.now() - Date.parse(ready.lastTransitionTime))}`,
    message: ready?.message,
    next: next === undefined ? undefined : `tried again in ${formatDuration(Date.parse(next) - Date.now())}`,
    power: vm.status?.powerState,
    addresses: vm.status?.ips ?? [],
  };
}

function linesOf(report: Report): readonly string[] {
  return Object.entries(report).flatMap(([label, value]) => {
    const values = typeof value === "string" ? [value] : (value ?? []);
    const shown = values.length === 0 && value !== undefined ? ["none"] : values;
    return shown.map((text, index) => `${(index === 0 ? `${label}:` : "").padEnd(12)}${text}`);
  });
}
