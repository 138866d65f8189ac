// A real API server in the test's own process, and a client of it.

import type { TestContext } from "node:test";
import { coreKinds, kinds, toCustomResourceDefinition } from "@vivarium/api";
import { createApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import type { Client } from "@vivarium/client";
import { openMemoryStore } from "@vivarium/store";
import { pino } from "pino";
import type { Logger } from "pino";

export async function startApi(t: TestContext): Promise<{ readonly client: Client; readonly logger: Logger }> {
  const logger = pino({ level: process.env["LOG_LEVEL"] ?? "silent" });
  const store = openMemoryStore();
  const resources = coreKinds.map(toCustomResourceDefinition);
  const definitions = kinds.map(toCustomResourceDefinition);
  const server = await createApiServer({ store, resources, definitions, logger });
  t.after(async () => {
    await server.close();
    await store.close();
  });
  const client = createClient(
    inProcessTransport(server.handle, { name: "system:vivarium", groups: ["system:masters"] }),
  );
  return { client, logger };
}
