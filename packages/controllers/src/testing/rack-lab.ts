// Controllers over the hosts of one Provider, `rack`, each a simulated hypervisor that has the image `debian`; they can be restarted.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { findCondition, Host, Provider } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { ProviderFactory, SimulatedHypervisor } from "@vivarium/provider";
import { createManager } from "@vivarium/runtime";
import type { Controller, Manager, ManualClock } from "@vivarium/runtime";
import { createHostController } from "../host.ts";
import { HostReports } from "../host-reports.ts";
import { OpenProviders } from "../open-providers.ts";
import { createProviderController } from "../provider.ts";
import { headOf } from "./controllers-lab.ts";
import { eventually } from "./eventually.ts";
import { createReadyImage } from "./ready-image.ts";
import { startApi } from "./start-api.ts";

interface RackHost {
  readonly name: string;
  readonly sim: SimulatedHypervisor;
  readonly labels?: Record<string, string>;
}

interface RackLab {
  readonly client: Client;
  /** Looks again and again, while time goes on. */
  readonly until: <T>(what: string, look: () => Promise<T | false | undefined>) => Promise<T>;
  /** The controllers, with nothing in memory. */
  readonly restart: () => Promise<void>;
}

export async function rackLab(
  t: TestContext,
  {
    clock,
    hosts,
    others = {},
    controllers,
  }: {
    readonly clock: ManualClock;
    readonly hosts: readonly RackHost[];
    /** Hypervisors that are no hosts of `rack`; their endpoints are `sim://NAME`, too. */
    readonly others?: Readonly<Record<string, SimulatedHypervisor>>;
    /** Beside those of Provider and Host; made anew at each start. */
    readonly controllers: (parts: {
      readonly manager: Manager;
      readonly providers: OpenProviders;
      readonly clock: ManualClock;
    }) => readonly Controller[];
  },
): Promise<RackLab> {
  const { client, logger } = await startApi(t);
  const sims = new Map([...hosts.map(({ name, sim }) => [name, sim] as const), ...Object.entries(others)]);
  const factory: ProviderFactory = {
    type: "sim",
    open({ endpoint }) {
      const sim = sims.get(endpoint.slice("sim://".length));
      assert.ok(sim !== undefined, endpoint);
      return sim.open();
    },
  };
  await client.create(Provider, {
    ...headOf(Provider, "rack"),
    spec: { type: "sim", hosts: hosts.map(declared) },
  });
  await createReadyImage(client, Object.fromEntries(hosts.map(({ name, sim }) => [`rack@${name}`, sim])));
  let stop: () => Promise<void> = () => Promise.resolve();
  const boot = (): void => {
    const manager = createManager({ client, logger, clock, random: () => 0 });
    const providers = new OpenProviders(new Map([["sim", factory]]));
    const reports = new HostReports();
    manager.add(createProviderController({ manager, reports, clock }));
    manager.add(createHostController({ manager, providers, reports, clock }));
    for (const controller of controllers({ manager, providers, clock })) manager.add(controller);
    const stopping = new AbortController();
    const done = manager.run({ signal: stopping.signal });
    stop = async () => {
      stopping.abort();
      await done;
    };
  };
  boot();
  t.after(() => stop());
  const until: RackLab["until"] = (what, look) =>
    eventually(async () => {
      await clock.advance(500);
      return (await look()) ?? false;
    }, what);
  await until("all hosts", async () => {
    const { items } = await client.list(Host);
    const ready = items.filter((host) => findCondition(host.status?.conditions, "Ready")?.status === "True");
    return ready.length === hosts.length;
  });
  return {
    client,
    until,
    async restart() {
      await stop();
      boot();
    },
  };
}

function declared({ name, labels }: RackHost): NonNullable<Provider["spec"]["hosts"]>[number] {
  return { name, endpoint: `sim://${name}`, ...(labels === undefined ? {} : { labels }) };
}
