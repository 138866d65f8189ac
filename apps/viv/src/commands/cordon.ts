// `viv cordon` and `viv uncordon`: whether further VMs may be put on a host. What kubectl would do is the same one patch of the Host.

import { Host } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";

export async function cordon(names: readonly string[], options: GlobalOptions): Promise<void> {
  await setUnschedulable(names, options, { isUnschedulable: true, said: "cordoned; the VMs that are there stay" });
}

export async function uncordon(names: readonly string[], options: GlobalOptions): Promise<void> {
  await setUnschedulable(names, options, { isUnschedulable: false, said: "takes VMs again" });
}

async function setUnschedulable(
  names: readonly string[],
  options: GlobalOptions,
  { isUnschedulable, said }: { readonly isUnschedulable: boolean; readonly said: string },
): Promise<void> {
  await using session = await connect(options);
  const { namespace } = session;
  for (const name of names) {
    const patch = { spec: { unschedulable: isUnschedulable } };
    await session.client.mergePatch(Host, { namespace, name }, patch, { fieldManager: "viv" });
    print(`host/${name}: ${said}`);
  }
}
