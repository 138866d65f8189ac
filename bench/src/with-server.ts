// A server of its own for a benchmark on the host's hypervisor; whatever happens, the VMs and images that it declared go with it.

import { VivServer } from "@vivarium/e2e";

export async function withServer<T>(measure: (server: VivServer) => Promise<T>): Promise<T> {
  await using server = await VivServer.create();
  try {
    return await measure(server);
  } finally {
    if (server.pid !== undefined) await deleteAll(server);
  }
}

async function deleteAll(server: VivServer): Promise<void> {
  for (const kind of ["virtualmachines", "vmimages"]) {
    const deleted = await server.kubectl(["delete", kind, "--all", "--wait", "--timeout=90s"], { timeoutMs: 100_000 });
    if (deleted.code !== 0) console.error(`Some ${kind} of the benchmark remain on the host: ${deleted.stderr}`);
  }
}
