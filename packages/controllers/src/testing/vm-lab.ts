// A server's inside for tests of the VirtualMachine controller: a real API server, a real manager, a simulated hypervisor, and time that
// runs only when the test waits for something. `restart` is what kill -9 is: all that was in memory is gone.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { findCondition, isStatus, Provider, VirtualMachine, VMClass, VMImage } from "@vivarium/api";
import type { VirtualMachineSpec } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { createSimulatedHypervisor } from "@vivarium/provider";
import type { Provider as OpenProvider, SimulatedHypervisor, SimulatedOptions } from "@vivarium/provider";
import { createManager, ManualClock } from "@vivarium/runtime";
import type { Logger } from "pino";
import { pino } from "pino";
import type { ProviderRegistry, RegistryEvent } from "../provider-registry.ts";
import { createChangePlanner } from "../virtual-machine/change-planner.ts";
import type { ChangePlanner } from "../virtual-machine/change-planner.ts";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { startApi } from "./start-api.ts";

export const api = "infra.virtrigaud.io/v1beta1";
const namespace = "default";
const digest = `sha256:${"ab".repeat(32)}`;

export interface StepLine {
  readonly step: string;
  readonly phase: string;
}

type VmLabOptions = SimulatedOptions & {
  /** What stands between the controllers and the hypervisor. */
  readonly through?: (provider: OpenProvider) => OpenProvider;
};

export class VmLab {
  readonly clock = new ManualClock();
  readonly sim: SimulatedHypervisor;
  readonly client: Client;
  /** Every step logged, oldest first. */
  readonly steps: StepLine[] = [];
  /** Called at each step line; used to kill the server at a step. */
  onStep: (line: StepLine) => void = () => undefined;
  /** Status writes that changed something, by VM. */
  readonly statusWrites = new Map<string, number>();
  #running: { stop(): Promise<void> } | undefined;
  #planner: ChangePlanner | undefined;

  readonly #through: (provider: OpenProvider) => OpenProvider;

  private constructor(client: Client, { through, ...options }: VmLabOptions) {
    this.#through = through ?? ((provider) => provider);
    this.sim = createSimulatedHypervisor({
      clock: this.clock,
      ...options,
      // No guest has an address at the moment of its start.
      guest: { leaseMs: 100, ...options.guest },
    });
    this.client = counting(client, this.statusWrites);
  }

  static async start(
    t: TestContext,
    options: VmLabOptions & { readonly without?: readonly string[] } = {},
  ): Promise<VmLab> {
    // Before the API server ends: hooks run in the order in which they were added.
    const started: VmLab[] = [];
    t.after(() => started[0]?.kill());
    const { client } = await startApi(t);
    const lab = new VmLab(client, options);
    started.push(lab);
    const absent = new Set(options.without);
    if (!absent.has("Provider")) await lab.createProvider();
    if (!absent.has("VMClass")) await lab.createClass();
    if (!absent.has("VMImage")) await lab.createImage();
    lab.boot();
    return lab;
  }

  async createProvider(): Promise<void> {
    await this.client.create(Provider, {
      apiVersion: api,
      kind: "Provider",
      metadata: { name: "sim", namespace },
      spec: { type: "sim", endpoint: "qemu:///system" },
    });
  }

  async createClass(): Promise<void> {
    await this.client.create(VMClass, {
      apiVersion: api,
      kind: "VMClass",
      metadata: { name: "small", namespace },
      spec: { cpu: 2, memory: "1Gi", diskDefaults: { size: "10Gi" } },
    });
  }

  async createImage(options: { readonly isReady?: boolean } = {}): Promise<void> {
    const image = await this.client.create(VMImage, {
      apiVersion: api,
      kind: "VMImage",
      metadata: { name: "debian", namespace },
      spec: { source: { libvirt: { url: "https://images.example/debian.qcow2" } } },
    });
    if (options.isReady !== false) await this.finishImage(image);
  }

  /** What the VMImage controller does in the end. */
  async finishImage(image: VMImage): Promise<void> {
    const imported = await this.sim
      .open()
      .images.import({ digest, format: "qcow2", path: "/x", sizeBytes: 1, virtualSizeBytes: 2 * 1024 ** 3 });
    await this.client.updateStatus(VMImage, {
      ...image,
      status: {
        phase: "Ready",
        ready: true,
        observedGeneration: image.metadata.generation ?? 1,
        providerStatus: { sim: { available: true, id: imported.id } },
      },
    });
  }

  /** Starts manager and controller, with nothing in memory. */
  boot(): void {
    assert.equal(this.#running, undefined);
    const stopping = new AbortController();
    const logger = this.#logger();
    const manager = createManager({ client: this.client, logger, clock: this.clock, random: () => 0 });
    const open = this.#through(this.sim.open());
    manager.add(
      createVirtualMachineController({ manager, providers: registryOf(open), clock: this.clock, random: () => 0 }),
    );
    this.#planner = createChangePlanner({ manager, providers: registryOf(open), clock: this.clock, logger });
    const done = manager.run({ signal: stopping.signal });
    this.#running = {
      async stop() {
        stopping.abort();
        await open.close();
        await done;
      },
    };
  }

  get planner(): ChangePlanner {
    assert.ok(this.#planner);
    return this.#planner;
  }

  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  async restart(): Promise<void> {
    await this.kill();
    this.boot();
  }

  async createVm(
    name: string,
    spec: Partial<VirtualMachineSpec> = {},
    annotations: Record<string, string> = {},
  ): Promise<VirtualMachine> {
    return this.client.create(VirtualMachine, {
      apiVersion: api,
      kind: "VirtualMachine",
      metadata: { name, namespace, annotations },
      spec: { classRef: { name: "small" }, imageRef: { name: "debian" }, ...spec },
    });
  }

  async vm(name: string): Promise<VirtualMachine | undefined> {
    try {
      return await this.client.get(VirtualMachine, { namespace, name });
    } catch (error) {
      if (isStatus(error, "NotFound")) return undefined;
      throw error;
    }
  }

  patchVm(name: string, patch: object): Promise<VirtualMachine> {
    return this.client.mergePatch(VirtualMachine, { namespace, name }, patch);
  }

  deleteVm(name: string): Promise<void> {
    return this.client.delete(VirtualMachine, { namespace, name });
  }

  /** Lets time pass until `look` finds something; fails after `withinMs` of that time. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>, withinMs = 120_000): Promise<T> {
    const deadlineMs = this.clock.now() + withinMs;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (this.clock.now() > deadlineMs) {
        const vms = await this.client.list(VirtualMachine);
        throw new Error(`Not within ${withinMs} ms: ${what}; VMs: ${JSON.stringify(vms.items.map((vm) => vm.status))}`);
      }
      await this.clock.advance(50);
    }
  }

  untilVm(
    name: string,
    what: string,
    isSo: (vm: VirtualMachine) => boolean,
    withinMs?: number,
  ): Promise<VirtualMachine> {
    return this.until(
      `VM ${name} ${what}`,
      async () => {
        const vm = await this.vm(name);
        return vm !== undefined && isSo(vm) ? vm : undefined;
      },
      withinMs,
    );
  }

  untilReady(name: string): Promise<VirtualMachine> {
    return this.untilVm(name, "is Ready", (vm) => readyOf(vm)?.status === "True");
  }

  untilReason(name: string, reason: string, withinMs?: number): Promise<VirtualMachine> {
    return this.untilVm(name, `is not ready for ${reason}`, (vm) => readyOf(vm)?.reason === reason, withinMs);
  }

  untilGone(name: string): Promise<true> {
    return this.until(`VM ${name} is gone`, async () => (await this.vm(name)) === undefined);
  }

  /** Domains and volumes of ours. */
  inventory(): { readonly domains: readonly string[]; readonly volumes: readonly string[] } {
    const domains = [...this.sim.world.domains.values()].filter((domain) => domain.ours).map((domain) => domain.name);
    return { domains, volumes: [...this.sim.world.volumes.keys()].sort() };
  }

  callsOf(method: string): number {
    return this.sim.calls.filter((call) => call.method === method && call.outcome === "ok").length;
  }

  #logger(): Logger {
    const write = (text: string): void => {
      const line = JSON.parse(text) as Partial<StepLine> & { level: number; msg?: string };
      if (line.step !== undefined && line.phase !== undefined) {
        const found = { step: line.step, phase: line.phase };
        this.steps.push(found);
        this.onStep(found);
      }
      if (process.env["LOG_LEVEL"] !== undefined) process.stderr.write(text);
    };
    return pino({ level: "info" }, { write });
  }
}

export function readyOf(vm: VirtualMachine): ReturnType<typeof findCondition> {
  return findCondition(vm.status?.conditions, "Ready");
}

function registryOf(provider: OpenProvider): ProviderRegistry {
  const key = { namespace, name: "sim" };
  return {
    get: (wanted) => (wanted.name === key.name && wanted.namespace === key.namespace ? provider : undefined),
    subscribe(listener: (event: RegistryEvent) => void, options) {
      provider.subscribe((event) => listener({ provider: { ...key, host: key.name }, event }), options);
    },
  };
}

function counting(client: Client, writes: Map<string, number>): Client {
  return {
    ...client,
    updateStatus(type, object, options) {
      const { name } = object.metadata;
      if (type.kind === "VirtualMachine") writes.set(name, (writes.get(name) ?? 0) + 1);
      return client.updateStatus(type, object, options);
    },
  };
}
