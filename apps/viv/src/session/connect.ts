// From a command line to a client.

import { existsSync } from "node:fs";
import { createClientFromKubeconfig, type ApiClient } from "@vivarium/client";
import type { GlobalOptions } from "../global-options.ts";
import { currentStateDir, type StateDir } from "../state-dir.ts";

export interface Session extends AsyncDisposable {
  readonly client: ApiClient;
  /** From `-n`, else the kubeconfig's. */
  readonly namespace: string;
  readonly server: string;
  readonly stateDir: StateDir;
}

export async function connect(options: GlobalOptions): Promise<Session> {
  const stateDir = currentStateDir(options.stateDir);
  const path = options.kubeconfig ?? process.env["VIV_KUBECONFIG"] ?? ownKubeconfig(stateDir, options);
  const { client, namespace, server } = await createClientFromKubeconfig({
    userAgent: "viv",
    ...(path === undefined ? {} : { path }),
    ...(options.context === undefined ? {} : { context: options.context }),
  });
  return {
    client,
    namespace: options.namespace ?? namespace,
    server,
    stateDir,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** The local server's kubeconfig; without one, kubectl's own rules (KUBECONFIG, ~/.kube/config) decide. */
function ownKubeconfig(stateDir: StateDir, options: GlobalOptions): string | undefined {
  if (options.stateDir !== undefined || existsSync(stateDir.kubeconfig)) return stateDir.kubeconfig;
  return process.env["KUBECONFIG"] === undefined ? stateDir.kubeconfig : undefined;
}
