// Roles, images, builds and machines over a real API server and a simulated hypervisor, whose guests say what the test tells them to. Time
// goes on by itself. `restart` is what kill -9 is: all that was in memory is gone.

import type { TestContext } from "node:test";
import { ImageBuild, isStatus, Provider, VirtualMachine, VMImage, VMRole } from "@vivarium/api";
import type { ImageBuildSpec, KubeObject, ResourceType, VirtualMachineSpec, VMRoleSpec } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { createSimulatedHypervisor } from "@vivarium/provider";
import type { SimulatedHypervisor } from "@vivarium/provider";
import { createManager, ManualClock } from "@vivarium/runtime";
import type { findUnreachable } from "@vivarium/images";
import type { Logger } from "pino";
import { createHostController } from "../host.ts";
import { HostReports } from "../host-reports.ts";
import { buildToken } from "../image-build/image-build-machine.ts";
import { createImageBuildController } from "../image-build/image-build.ts";
import { OpenProviders } from "../open-providers.ts";
import { createProviderController } from "../provider.ts";
import { createMachineRoleController } from "../roles/machine-role.ts";
import { createVmRoleController } from "../roles/vm-role.ts";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { createVmImageController } from "../vm-image.ts";
import { headOf, image, machine, provider } from "./controllers-lab.ts";
import { eventually } from "./eventually.ts";
import { ScriptedImageCache } from "./scripted-image-cache.ts";
import { startApi } from "./start-api.ts";

const namespace = "default";
/** Builds are many steps of four controllers. */
const withinMs = 60_000;

export class LayersLab {
  readonly client: Client;
  readonly clock = new ManualClock(Date.now());
  readonly sim: SimulatedHypervisor;
  readonly #logger: Logger;
  readonly #mostAtOnce: number;
  /** At which URLs nobody answers. */
  readonly silentUrls = new Set<string>();
  #running: (() => Promise<void>) | undefined;

  private constructor(client: Client, logger: Logger, mostAtOnce: number) {
    this.client = client;
    this.#logger = logger;
    this.#mostAtOnce = mostAtOnce;
    this.sim = createSimulatedHypervisor({ clock: this.clock });
  }

  /** With a plain image `debian` that is ready as soon as somebody needs it. */
  static async start(t: TestContext, options: { readonly mostAtOnce?: number } = {}): Promise<LayersLab> {
    const { client, logger } = await startApi(t);
    const lab = new LayersLab(client, logger, options.mostAtOnce ?? 2);
    let isTicking = false;
    const ticking = setInterval(() => {
      // A machine that is busy sees time go more slowly, and nothing comes too late.
      if (isTicking) return;
      isTicking = true;
      void lab.clock.advance(250).finally(() => (isTicking = false));
    }, 5);
    t.after(async () => {
      clearInterval(ticking);
      await lab.kill();
    });
    lab.boot();
    // Its guests go out by the network of this machine.
    await client.create(Provider, provider("sim", { endpoint: "sim:///lab" }));
    await client.create(
      VMImage,
      image("debian", { source: { libvirt: { url: "https://images.example/debian.qcow2" } } }),
    );
    return lab;
  }

  boot(): void {
    const { client, clock } = this;
    const stopping = new AbortController();
    const manager = createManager({ client, logger: this.#logger, clock, random: () => 0 });
    const providers = new OpenProviders(new Map([["sim", this.sim.factory]]));
    const reports = new HostReports();
    const imageCache = new ScriptedImageCache({ isImmediate: true });
    for (const controller of [
      createProviderController({ manager, reports, clock }),
      createHostController({ manager, providers, reports, clock }),
      createVirtualMachineController({ manager, providers, clock }),
      createVmImageController({ manager, registry: providers, imageCache, clock }),
      createVmRoleController({ manager, clock }),
      createMachineRoleController({ manager }),
      createImageBuildController({
        manager,
        registry: providers,
        clock,
        mostAtOnce: this.#mostAtOnce,
        askSources: this.#askSources,
      }),
    ]) {
      manager.add(controller);
    }
    const done = manager.run({ signal: stopping.signal });
    this.#running = async () => {
      stopping.abort();
      await done;
    };
  }

  readonly #askSources: typeof findUnreachable = (urls) =>
    Promise.resolve(urls.filter((url) => this.silentUrls.has(url)).map((url) => ({ url, why: "ENOTFOUND" })));

  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.();
  }

  async restart(): Promise<void> {
    await this.kill();
    this.boot();
  }

  role(name: string, spec: Partial<VMRoleSpec> = {}): Promise<VMRole> {
    const parent = { images: [{ name: "debian", distribution: "debian" as const }] };
    return this.client.create(VMRole, { ...headOf(VMRole, name), spec: { parent, ...spec } });
  }

  build(name: string, spec: Partial<ImageBuildSpec> = {}): Promise<ImageBuild> {
    return this.client.create(ImageBuild, { ...headOf(ImageBuild, name), spec: { roleRef: { name }, ...spec } });
  }

  vm(name: string, spec: Partial<VirtualMachineSpec>): Promise<VirtualMachine> {
    return this.client.create(VirtualMachine, machine(name, { resources: { cpu: 1, memoryMiB: 256 }, ...spec }));
  }

  async until<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    isSo: (object: T) => boolean | undefined,
  ): Promise<T> {
    let last: unknown;
    try {
      return await eventually(
        async () => {
          const object = await this.find(type, name);
          last = object;
          return object !== undefined && isSo(object) === true && object;
        },
        `${type.kind} ${name}`,
        { withinMs },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; last seen: ${JSON.stringify(last, undefined, 1)}`, {
        cause: error,
      });
    }
  }

  untilPhase(name: string, phase: NonNullable<ImageBuild["status"]>["phase"]): Promise<ImageBuild> {
    return this.until(ImageBuild, name, ({ status }) => status?.phase === phase);
  }

  async find<T extends KubeObject>(type: ResourceType<T>, name: string): Promise<T | undefined> {
    try {
      return await this.client.get(type, { namespace, name });
    } catch (error) {
      if (isStatus(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(type: ResourceType<T>): Promise<readonly T[]> {
    return (await this.client.list(type, { namespace })).items;
  }

  /** The running machine of a build's present try. */
  async guestOf(name: string): Promise<{ readonly uid: string; readonly say: (...marks: string[]) => void }> {
    const build = await this.until(
      ImageBuild,
      name,
      ({ status }) => status?.vm !== undefined && isUnderWay(status.phase),
    );
    const vm = await this.until(VirtualMachine, build.status?.vm ?? "", ({ status }) => status?.powerState === "On");
    const uid = vm.metadata.uid ?? "";
    const token = buildToken(build, build.status?.attempt ?? 0);
    return {
      uid,
      say: (...marks) => {
        const domain = this.sim.world.domains.get(uid);
        if (domain === undefined) throw new Error(`VM ${vm.metadata.name} has no domain`);
        for (const mark of marks) domain.serialLog += `VIVARIUM-BUILD ${token} ${mark}\r\n`;
        domain.data = `made by ${name}`;
      },
    };
  }

  /** Does what a guest does with a recipe that works. */
  async finish(name: string): Promise<ImageBuild> {
    const guest = await this.guestOf(name);
    guest.say("step 1/2 install", "step 2/2 clean", "done");
    return this.untilPhase(name, "Succeeded");
  }
}

function isUnderWay(phase: NonNullable<ImageBuild["status"]>["phase"]): boolean {
  return phase === "Starting" || phase === "Building";
}
