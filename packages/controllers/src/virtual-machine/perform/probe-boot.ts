// Looks at a start that has no address for any other sign of life.

import type { Provider, VmIdentity } from "@vivarium/provider";

/**
 * Whether a start that has no address shows any other sign of life. `alive` also where that cannot be told or where guests run in
 * hardware: only a boot known to be silent may be cut short.
 */
export async function probeBoot(
  provider: Provider,
  vm: VmIdentity,
  { signal }: { readonly signal: AbortSignal },
): Promise<"silent" | "alive"> {
  if (provider.console === undefined) return "alive";
  const { acceleration } = await provider.describe({ signal });
  if (acceleration.kind !== "tcg") return "alive";
  const seen = await provider.compute.observe(vm, { signal });
  if (seen.kind !== "present" || seen.power !== "running" || seen.agentConnected) return "alive";
  const log = await provider.console.readLog(vm, { signal, tailBytes: 4096 });
  return log.byteLength === 0 && !(await hasWritten(provider, vm, { signal })) ? "silent" : "alive";
}

/** A kernel that is told to be quiet says nothing before the login prompt, which takes minutes on a busy host. */
async function hasWritten(
  provider: Provider,
  vm: VmIdentity,
  options: { readonly signal: AbortSignal },
): Promise<boolean> {
  const stats = await provider.stats?.read(options);
  const domain = stats?.domains.find(({ uid }) => uid === vm.uid);
  return domain?.disks.some(({ writtenBytes = 0 }) => writtenBytes > 0) ?? false;
}
