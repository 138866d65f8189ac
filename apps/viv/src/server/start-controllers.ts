// The half of the server that acts: manager, controllers, providers, image cache. Loaded after the API answers.

import {
  formatKey,
  Provider as ProviderKind,
  StatusError,
  VirtualMachine,
  VMExport,
  type ApiHandler,
  type ObjectKey,
  type VirtualMachineMetrics,
} from "@vivarium/api";
import { createClient, inProcessTransport } from "@vivarium/client";
import {
  connectionOfVm,
  createControllers,
  createStats,
  effectiveProvider,
  identityOf,
  meteredFactories,
} from "@vivarium/controllers";
import type { ChangePlanner, SizeCheck } from "@vivarium/controllers";
import { createImageCache, createImageExports, ImageError } from "@vivarium/images";
import type { Provider, VmIdentity } from "@vivarium/provider";
import { createManager } from "@vivarium/runtime";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import type { StateDir } from "../state-dir.ts";
import { providerFactories } from "./provider-factories.ts";

/** The provider that has a VM, and how the VM is named there. */
export interface Guest {
  readonly provider: Provider;
  readonly vm: VmIdentity;
}

export interface Controllers {
  /** Throws StatusError. */
  findGuest(key: ObjectKey): Promise<Guest>;
  /** The newest samples of a VM's figures. Throws StatusError. */
  metricsOf(key: ObjectKey, options: { readonly samples?: number }): Promise<VirtualMachineMetrics>;
  /** The file of a VMExport from this byte on. Throws StatusError. */
  readExport(
    key: ObjectKey,
    options: { readonly fromByte: number; readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: AsyncIterable<Uint8Array>; readonly sizeBytes: number }>;
  /** Says what a change would do; absent while another server runs the controllers. */
  readonly planner: ChangePlanner | undefined;
  /** Says what no host can ever take; absent like the planner. */
  readonly sizes: SizeCheck | undefined;
  /** In the Prometheus text format. */
  metrics(): Promise<string>;
  /** Ends reconciles under way; VMs go on running. */
  stop(): Promise<void>;
}

/** Who the controllers are to the API server. */
export const controllersUser = {
  name: "system:serviceaccount:vivarium-system:controllers",
  groups: ["system:masters", "system:authenticated"],
};

export interface ControllersOptions {
  readonly handler: ApiHandler;
  readonly stateDir: StateDir;
  readonly logger: Logger;
  /** How many ImageBuilds go on at once. */
  readonly imageBuilds?: number;
}

export function startControllers(options: ControllersOptions): Controllers {
  const { stateDir, logger } = options;
  const client = createClient(inProcessTransport(options.handler, controllersUser), {
    userAgent: "vivarium-controllers",
  });
  const metrics = new Registry();
  const manager = createManager({ client, logger, metrics });
  const imageCache = createImageCache({ directory: stateDir.images, logger });
  const imageExports = createImageExports({ directory: stateDir.exports });
  const { controllers, registry, planner, sizes } = createControllers({
    manager,
    factories: meteredFactories(providerFactories(stateDir, logger), metrics),
    imageCache,
    imageExports,
    metrics,
    logger,
    ...(options.imageBuilds === undefined ? {} : { imageBuilds: options.imageBuilds }),
  });
  for (const controller of controllers) manager.add(controller);
  const stats = createStats({ manager, providers: registry, logger, metrics });
  const end = new AbortController();
  const running = Promise.all([manager.run({ signal: end.signal }), stats.run({ signal: end.signal })]);
  running.catch((error: unknown) => {
    logger.fatal({ err: error }, "the controllers ended");
    process.exit(1);
  });

  async function findGuest(key: ObjectKey): Promise<Guest> {
    const vm = await client.get(VirtualMachine, key);
    const { items } = await client.list(ProviderKind, key.namespace === undefined ? {} : { namespace: key.namespace });
    const effective = effectiveProvider(vm, items);
    const object = effective.kind === "found" ? await client.get(ProviderKind, effective.key) : undefined;
    const connection = object && connectionOfVm(vm, object);
    const provider = connection && registry.get(connection);
    if (provider === undefined) {
      const which =
        effective.kind === "found" ? `Provider ${formatKey(effective.key)} is not open` : "it has no Provider";
      throw new StatusError("ServiceUnavailable", `Cannot reach VM ${formatKey(key)}: ${which}`);
    }
    return { provider, vm: identityOf(vm) };
  }

  async function readExport(
    key: ObjectKey,
    { fromByte, signal }: { readonly fromByte: number; readonly signal: AbortSignal },
  ): ReturnType<Controllers["readExport"]> {
    const { metadata, status = {} } = await client.get(VMExport, key);
    const name = `VMExport ${formatKey(key)}`;
    const { phase = "Pending", digest, format } = status;
    if (phase !== "Succeeded" || digest === undefined || format === undefined) {
      throw new StatusError("Conflict", `${name} has no file: it is ${phase}, expected Succeeded with its file kept`);
    }
    try {
      const file = await imageExports.read(metadata.uid ?? "", { format, fromByte, signal });
      if (file !== undefined) return file;
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      throw new StatusError("InternalError", error.message, { cause: error });
    }
    throw new StatusError(
      "NotFound",
      `The file of ${name} is not on this server: another one made it, or it was removed`,
    );
  }

  return {
    planner,
    sizes,
    findGuest,
    readExport,
    async metricsOf(key, options) {
      const found = stats.metricsOf(await client.get(VirtualMachine, key), options);
      if (found !== undefined) return found;
      throw new StatusError("NotFound", `There are no figures of VM ${formatKey(key)} yet: its host told none of it`);
    },
    metrics: () => metrics.metrics(),
    async stop() {
      end.abort();
      await running;
    },
  };
}
