// `viv ip`: the address alone, for scripts.

import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { firstAddress } from "../session/vm.ts";

export async function ip(name: string, options: GlobalOptions & { readonly all?: boolean }): Promise<void> {
  await using session = await connect(options);
  const { vm, ip: first } = await firstAddress(session.client, { namespace: session.namespace, name });
  for (const address of options.all === true ? (vm.status?.ips ?? []) : [first]) print(address);
}
