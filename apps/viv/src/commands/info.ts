// `viv info`: what one VM is made of and how to reach it, in a screenful.

import { VirtualMachine } from "@vivarium/api";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { connect } from "../session/connect.ts";
import { guestUser } from "../session/guest-user.ts";
import { stageOf } from "../session/vm.ts";

export async function info(
  name: string,
  options: GlobalOptions & { readonly output?: "json" | "yaml" },
): Promise<void> {
  await using session = await connect(options);
  const vm = await session.client.get(VirtualMachine, { namespace: session.namespace, name });
  const user = await guestUser(session.client, vm);
  const facts = factsOf(vm, { user, now: new Date() });
  if (options.output !== undefined) {
    await showValue(facts, options.output);
    return;
  }
  for (const [label, value] of Object.entries(facts)) {
    if (value !== undefined)
      print(`${`${label}:`.padEnd(12)}${Array.isArray(value) ? value.join(", ") : String(value)}`);
  }
}

/** Pure: label to value, in the order shown. */
export function factsOf(
  vm: VirtualMachine,
  { user, now }: { readonly user: string; readonly now: Date },
): Readonly<Record<string, string | readonly string[] | undefined>> {
  const { spec, status, metadata } = vm;
  const size = status?.currentResources ?? spec.resources;
  const [ip] = status?.ips ?? [];
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    stage: stageOf(vm),
    power: status?.powerState,
    uptime:
      status?.startedAt === undefined || status.powerState !== "On"
        ? undefined
        : formatDuration(now.getTime() - Date.parse(status.startedAt)),
    lastStop: status?.lastStop === undefined ? undefined : `${status.lastStop.method} at ${status.lastStop.time}`,
    provider: spec.providerRef?.name,
    domain: status?.domain,
    class: spec.classRef?.name,
    image: spec.imageRef?.name,
    cpu: size?.cpu === undefined ? undefined : String(size.cpu),
    memory: size?.memoryMiB === undefined ? undefined : `${size.memoryMiB} MiB`,
    disks: spec.disks?.map((disk) => `${disk.name} (${disk.sizeGiB} GiB)`),
    networks: spec.networks?.map((network) => network.name),
    addresses: (status?.addresses ?? []).map((each) => `${each.ip} (${each.source})`),
    ssh: ip === undefined ? undefined : `viv ssh ${metadata.name}  (${user}@${ip})`,
  };
}
