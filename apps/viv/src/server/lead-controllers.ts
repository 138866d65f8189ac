// The controllers of servers that share a store run in the one that holds the lease. The others serve the API and stand by.

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { StatusError } from "@vivarium/api";
import type { ApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import { runLeaderElection } from "@vivarium/runtime";
import { controllersLease } from "./controllers-lease.ts";
import { providerFactories } from "./provider-factories.ts";
import { StandbyGuests } from "./standby-guests.ts";
import { controllersUser, startControllers, type Controllers, type ControllersOptions } from "./start-controllers.ts";

/** Whoever leads also does what one API server must do for all: collecting garbage, emptying namespaces, counting for quotas. */
export function leadControllers(options: ControllersOptions, apiServer: Pick<ApiServer, "runTasks">): Controllers {
  const { handler, stateDir, logger } = options;
  const client = createClient(inProcessTransport(handler, controllersUser), { userAgent: "vivarium-controllers" });
  const standby = new StandbyGuests(client, providerFactories(stateDir, logger));
  const identity = `${hostname()}_${randomUUID()}`;
  const end = new AbortController();
  let leading: Controllers | undefined;

  async function lead(signal: AbortSignal): Promise<void> {
    const controllers = startControllers(options);
    leading = controllers;
    logger.info({ identity }, "leading: controllers started");
    const tasks = apiServer.runTasks({ signal });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    leading = undefined;
    await Promise.all([controllers.stop(), tasks]);
  }

  const onLeader = (leader: string): void => {
    if (leader !== identity) logger.info({ leader }, "standing by: another server runs the controllers");
  };
  const election = runLeaderElection({ client, lease: controllersLease, identity, logger, onLeader }, lead, {
    signal: end.signal,
  });
  election.catch((error: unknown) => {
    logger.fatal({ err: error }, "the leader election ended");
    process.exit(1);
  });

  return {
    get planner() {
      return leading?.planner;
    },
    get sizes() {
      return leading?.sizes;
    },
    findGuest: (key) => (leading ?? { findGuest: (each) => standby.find(each) }).findGuest(key),
    async metricsOf(key, options) {
      if (leading !== undefined) return leading.metricsOf(key, options);
      throw new StatusError(
        "ServiceUnavailable",
        "Figures are kept by the server that runs the controllers; ask that one.",
      );
    },
    async readExport(key, options) {
      if (leading !== undefined) return leading.readExport(key, options);
      throw new StatusError(
        "ServiceUnavailable",
        "The files of exports lie on the server that runs the controllers; ask that one.",
      );
    },
    metrics: async () => (await leading?.metrics()) ?? "",
    async stop() {
      end.abort();
      await election;
      await standby.close();
    },
  };
}
