// All controllers, joined over one manager: what a server, or an operator on a cluster, runs.

import type { ImageCache, ImageExports } from "@vivarium/images";
import type { ProviderFactory } from "@vivarium/provider";
import type { Logger } from "pino";
import { realClock } from "@vivarium/runtime";
import type { Registry } from "prom-client";
import type { Clock, Controller, Manager } from "@vivarium/runtime";
import { createAdoptionController } from "./adoption.ts";
import { createHostController } from "./host.ts";
import { HostReports } from "./host-reports.ts";
import { MachineTurns } from "./machine-turns.ts";
import { createOperationsController } from "./operations/operations.ts";
import { createImageBuildController } from "./image-build/image-build.ts";
import { OpenProviders } from "./open-providers.ts";
import { createImageCollectionController } from "./image-collection/image-collection.ts";
import { createProviderController } from "./provider.ts";
import type { ProviderRegistry } from "./provider-registry.ts";
import { createMachineRoleController } from "./roles/machine-role.ts";
import { createVmRoleController } from "./roles/vm-role.ts";
import { createStoragePoolController } from "./storage-pool.ts";
import { createChangePlanner } from "./virtual-machine/change-planner.ts";
import type { ChangePlanner } from "./virtual-machine/change-planner.ts";
import { createPlacer } from "./virtual-machine/host-chooser.ts";
import { createSizeCheck } from "./virtual-machine/size-check.ts";
import type { SizeCheck } from "./virtual-machine/size-check.ts";
import { createVirtualMachineController } from "./virtual-machine/virtual-machine.ts";
import { createVirtualNetworkController } from "./virtual-network.ts";
import { createVmClassController } from "./vm-class.ts";
import { createVmGroupController } from "./vm-group/vm-group.ts";
import { createVmCloneController } from "./vm-clone/vm-clone.ts";
import { createVmUnlinkController } from "./vm-clone/vm-unlink.ts";
import { createVmExportController } from "./vm-export/vm-export.ts";
import { createVmImageController } from "./vm-image.ts";
import { createVmMigrationController } from "./vm-migration/vm-migration.ts";
import { createVmNetworkAttachmentController } from "./vm-network-attachment.ts";
import { createVmTemplateController } from "./vm-template/vm-template.ts";
import { createVmSnapshotController } from "./vm-snapshot.ts";
import { createRepeatedSnapshotController } from "./vm-snapshot-schedule/repeated-snapshot.ts";
import { createVmSnapshotScheduleController } from "./vm-snapshot-schedule/vm-snapshot-schedule.ts";
import { createVmPlacementPolicyController } from "./vm-placement-policy.ts";
import { createVmSetController } from "./vm-set/vm-set.ts";
import { createVolumeController } from "./volume.ts";

export interface ControllersOptions {
  readonly manager: Manager;
  /** By `Provider.spec.type`. */
  readonly factories: ReadonlyMap<string, ProviderFactory>;
  readonly imageCache: ImageCache;
  readonly imageExports: ImageExports;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Where long work is counted. */
  readonly metrics?: Registry;
  /** How many ImageBuilds go on at once. */
  readonly imageBuilds?: number;
}

export interface Controllers {
  /** To be added to the manager. */
  readonly controllers: readonly Controller[];
  /** For those who need a hypervisor beside the controllers: serial logs and consoles. */
  readonly registry: ProviderRegistry;
  /** Says what a change would do. */
  readonly planner: ChangePlanner;
  /** Says what no host can ever take. */
  readonly sizes: SizeCheck;
}

export function createControllers(options: ControllersOptions): Controllers {
  const { manager, imageCache, imageExports } = options;
  const clock = options.clock ?? realClock;
  const providers = new OpenProviders(options.factories);
  const reports = new HostReports();
  const turns = new MachineTurns();
  const placer = createPlacer(manager);
  return {
    registry: providers,
    planner: createChangePlanner({ manager, providers, clock, logger: options.logger }),
    sizes: createSizeCheck(manager),
    controllers: [
      createProviderController({ manager, reports, clock }),
      createHostController({ manager, providers, reports, clock }),
      createAdoptionController({ manager, providers, clock }),
      createVmClassController({ manager, clock }),
      createVmNetworkAttachmentController({ manager, clock }),
      createVirtualMachineController({ manager, providers, clock, turns, placer }),
      createVirtualNetworkController({ manager, providers, clock }),
      createVmMigrationController({ manager, providers, clock, turns, placer }),
      createVmSnapshotController({ manager, providers, clock }),
      createVmSnapshotScheduleController({ manager, clock }),
      createRepeatedSnapshotController({ manager }),
      createVmCloneController({ manager, providers, clock }),
      createVmUnlinkController({ manager, providers, clock }),
      createVmTemplateController({ manager, providers, clock }),
      createVmExportController({ manager, providers, imageExports, imageCache, clock }),
      createVmPlacementPolicyController({ manager, placer, clock }),
      createVmSetController({ manager, providers, clock }),
      createVmGroupController({ manager, clock }),
      createOperationsController({
        manager,
        clock,
        ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      }),
      createStoragePoolController({ manager, providers, clock }),
      createVolumeController({ manager, providers, imageCache, clock }),
      createImageCollectionController({ manager, providers, clock }),
      createVmImageController({ manager, registry: providers, imageCache, clock }),
      createVmRoleController({ manager, clock }),
      createMachineRoleController({ manager }),
      createImageBuildController({
        manager,
        registry: providers,
        clock,
        ...(options.imageBuilds === undefined ? {} : { mostAtOnce: options.imageBuilds }),
      }),
    ],
  };
}
