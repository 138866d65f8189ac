// `viv list`: the VMs, with what one wants to know at a glance.

import { get, type GetOptions } from "./get.ts";

export async function list(options: GetOptions): Promise<void> {
  await get("virtualmachines", [], options);
}
