// `viv server`: in the foreground for service managers and containers, in the background with --detach.

import { CliUserError } from "../cli-error.ts";
import { print } from "../output/print.ts";
import { accessArguments, accessChoice, type AccessFlags } from "../server/access-choice.ts";
import { storeArguments, storeChoice, type StoreFlags } from "../server/store-choice.ts";
import { keepYoungHeapSmall } from "../server/young-heap.ts";
import { currentStateDir } from "../state-dir.ts";

interface ServerOptions extends StoreFlags, AccessFlags {
  readonly stateDir?: string;
  readonly port?: number;
  readonly host?: string;
  readonly imageBuilds?: number;
  readonly detach?: boolean;
}

export async function server(options: ServerOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const port = options.port === undefined ? {} : { port: options.port };
  const host = options.host === undefined ? {} : { host: options.host };
  const imageBuilds = options.imageBuilds === undefined ? {} : { imageBuilds: options.imageBuilds };
  const store = storeChoice(options);
  const access = accessChoice(options, stateDir);
  if (options.detach === true) {
    const { startDetached } = await import("../server/detached-server.ts");
    const { info, isNew } = await startDetached(stateDir, {
      ...port,
      arguments: [
        ...(options.host === undefined ? [] : ["--host", options.host]),
        ...(options.imageBuilds === undefined ? [] : ["--image-builds", String(options.imageBuilds)]),
        ...storeArguments(options),
        ...accessArguments(options),
      ],
      signal: new AbortController().signal,
    });
    print(`server ${isNew ? "started" : "runs already"}: ${info.url}, pid ${info.pid}`);
    print(`  export KUBECONFIG=${stateDir.kubeconfig}`);
    return;
  }
  keepYoungHeapSmall();
  const { serverLogger } = await import("../server/logger.ts");
  const { serve } = await import("../server/serve.ts");
  const logger = serverLogger();
  const end = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => end.abort(name));
  process.on("unhandledRejection", (error) => {
    logger.fatal({ err: error }, "unhandled rejection");
    process.exit(1);
  });
  try {
    await serve({ stateDir, ...port, ...host, ...imageBuilds, store, access, logger, signal: end.signal });
  } catch (error) {
    if (!(error instanceof CliUserError)) logger.fatal({ err: error }, "the server failed");
    throw error;
  }
  // What is left now (timers, idle sockets of libraries) holds nothing that matters.
  process.exit(0);
}

export async function stopServerCommand(options: { readonly stateDir?: string }): Promise<void> {
  const { stopServer } = await import("../server/detached-server.ts");
  const pid = await stopServer(currentStateDir(options.stateDir));
  print(pid === undefined ? "no server runs" : `server stopped (pid ${pid}); VMs go on running`);
}
