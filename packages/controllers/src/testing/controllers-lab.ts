// The controllers over a real API server, with a simulated hypervisor and time in the test's hands.

import type { TestContext } from "node:test";
import { isStatus, Provider, VirtualMachine, VMImage } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { createSimulatedHypervisor } from "@vivarium/provider";
import type { SimulatedHypervisor } from "@vivarium/provider";
import { createManager, ManualClock } from "@vivarium/runtime";
import type { Controller, Manager } from "@vivarium/runtime";
import { createHostController } from "../host.ts";
import { HostReports } from "../host-reports.ts";
import { OpenProviders } from "../open-providers.ts";
import { createProviderController } from "../provider.ts";
import { eventually } from "./eventually.ts";
import { startApi } from "./start-api.ts";

export interface ControllersLab {
  readonly client: Client;
  readonly manager: Manager;
  readonly clock: ManualClock;
  readonly hypervisor: SimulatedHypervisor;
  readonly providers: OpenProviders;
  /** The controllers named, and always those of Provider and Host. */
  readonly run: (...controllers: readonly Controller[]) => void;
  readonly stop: () => Promise<void>;
  /** Waits until the object looks so. */
  readonly until: <T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    isSo: (object: T) => boolean | undefined,
  ) => Promise<T>;
}

export async function controllersLab(t: TestContext): Promise<ControllersLab> {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock(Date.now());
  const hypervisor = createSimulatedHypervisor({ clock });
  const manager = createManager({ client, logger, clock, random: () => 0 });
  const providers = new OpenProviders(new Map([["sim", hypervisor.factory]]));
  const reports = new HostReports();
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  t.after(stop);
  return {
    client,
    manager,
    clock,
    hypervisor,
    providers,
    stop,
    run(...controllers) {
      manager.add(createProviderController({ manager, reports, clock }));
      manager.add(createHostController({ manager, providers, reports, clock }));
      for (const controller of controllers) manager.add(controller);
      running = manager.run({ signal: stopping.signal });
    },
    async until(type, name, isSo) {
      let last: unknown;
      try {
        return await eventually(async () => {
          try {
            const object = await client.get(type, { namespace: "default", name });
            last = object;
            return isSo(object) === true && object;
          } catch (error) {
            // A controller makes it.
            if (isStatus(error, "NotFound")) return false;
            throw error;
          }
        }, `${type.kind} ${name}`);
      } catch (error) {
        throw new Error(`${(error as Error).message}; last seen: ${JSON.stringify(last, undefined, 1)}`, {
          cause: error,
        });
      }
    },
  };
}

export function provider(name: string, spec: Partial<Provider["spec"]> = {}): Provider {
  return { ...headOf(Provider, name), spec: { type: "sim", endpoint: "sim://lab", ...spec } };
}

export function image(name: string, spec: VMImage["spec"]): VMImage {
  return { ...headOf(VMImage, name), spec };
}

export function machine(name: string, spec: VirtualMachine["spec"]): VirtualMachine {
  return { ...headOf(VirtualMachine, name), spec };
}

export function headOf(type: ResourceType, name: string) {
  return {
    apiVersion: `${type.group}/${type.version}`,
    kind: type.kind,
    metadata: { name, namespace: "default" },
  };
}
