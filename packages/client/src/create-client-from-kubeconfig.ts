// From a kubeconfig to a client: what a program outside the server starts with.

import type { ApiClient } from "./client.ts";
import { createClient } from "./create-client.ts";
import { httpsTransport } from "./https-transport.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

export async function createClientFromKubeconfig(
  options: {
    readonly path?: string;
    readonly context?: string;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly timeoutMs?: number;
    readonly userAgent?: string;
  } = {},
): Promise<{ readonly client: ApiClient; readonly namespace: string; readonly server: string }> {
  const cluster = await loadKubeconfig(options);
  const transport = httpsTransport(cluster, options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs });
  const client = createClient(transport, options.userAgent === undefined ? {} : { userAgent: options.userAgent });
  return { client, namespace: cluster.namespace, server: cluster.server };
}
