// Resolves what is made before a VM's domain: the image its root disk is cloned from, and its seed. Pure.

import type { Provider, VirtualMachine } from "@vivarium/api";
import { checkUserData } from "@vivarium/images";
import { resolveCloudInit, seedOf } from "../cloud-init.ts";
import type { CloudInitSources } from "../cloud-init.ts";
import type { RelatedObjects, ResolvedVm } from "./definition.ts";
import { resolveImage } from "./image.ts";
import type { BuildPlan, Resolved } from "./plan.ts";

export interface BuildSources extends CloudInitSources {
  readonly related: RelatedObjects;
  readonly provider: Provider | undefined;
}

export function resolveBuild(
  vm: VirtualMachine,
  resolved: Resolved<ResolvedVm>,
  sources: BuildSources,
): Resolved<BuildPlan> {
  const image = resolveImage(vm, sources.related, sources.provider);
  const cloudInit = resolveCloudInit(vm, sources);
  const found = cloudInit.ok && cloudInit.value.userData !== undefined ? checkUserData(cloudInit.value.userData) : [];
  const userDataProblems = found.map(({ path, line, message }) => ({
    reason: "InvalidUserData" as const,
    message: `user-data${line === undefined ? "" : ` line ${line}`}${path === "" ? "" : `, ${path}`}: ${message}`,
  }));
  const problems = [...(cloudInit.ok ? userDataProblems : cloudInit.problems), ...(image.ok ? [] : image.problems)];
  if (!image.ok || !cloudInit.ok || !resolved.ok || problems.length > 0) return { ok: false, problems };
  const { rootSizeBytes, seedNics, definition } = resolved.value;
  return {
    ok: true,
    value: {
      root: {
        name: definition.disks[0]?.name ?? "root",
        imageId: image.value,
        ...(rootSizeBytes === undefined ? {} : { sizeBytes: rootSizeBytes }),
      },
      seed: seedOf(vm, cloudInit.value, seedNics),
    },
  };
}
