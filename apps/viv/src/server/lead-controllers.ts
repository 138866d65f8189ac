// The controllers of servers that share a store run in the one that holds the lease. The others serve the API and stand by.

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { createClient, inProcessTransport } from "@vivarium/client";
import { runLeaderElection } from "@vivarium/runtime";
import { controllersLease } from "./controllers-lease.ts";
import { providerFactories } from "./provider-factories.ts";
import { StandbyGuests } from "./standby-guests.ts";
import { controllersUser, startControllers, type Controllers, type ControllersOptions } from "./start-controllers.ts";

export function leadControllers(options: ControllersOptions): Controllers {
  const { handler, stateDir, logger } = options;
  const client = createClient(inProcessTransport(handler, controllersUser));
  const standby = new StandbyGuests(client, providerFactories(stateDir, logger));
  const identity = `${hostname()}_${randomUUID()}`;
  const end = new AbortController();
  let leading: Controllers | undefined;

  async function lead(signal: AbortSignal): Promise<void> {
    const controllers = startControllers(options);
    leading = controllers;
    logger.info({ identity }, "leading: controllers started");
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    leading = undefined;
    await controllers.stop();
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
    findGuest: (key) => (leading ?? { findGuest: (each) => standby.find(each) }).findGuest(key),
    metrics: async () => (await leading?.metrics()) ?? "",
    async stop() {
      end.abort();
      await election;
      await standby.close();
    },
  };
}
