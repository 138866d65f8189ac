// Resolves what is made before a VM's domain: its root disk, and its seed. Pure.

import type { Provider, VirtualMachine } from "@vivarium/api";
import { checkUserData } from "@vivarium/images";
import { resolveCloudInit, seedOf } from "../../cloud-init.ts";
import type { CloudInitSources } from "../../cloud-init.ts";
import type { RelatedObjects, ResolvedVm } from "./definition.ts";
import { resolveRootSource } from "./root-source.ts";
import type { BuildPlan, Resolved } from "../plan/input.ts";

export interface BuildSources extends CloudInitSources {
  readonly related: RelatedObjects;
  readonly provider: Provider | undefined;
}

export function resolveBuild(
  vm: VirtualMachine,
  resolved: Resolved<ResolvedVm>,
  sources: BuildSources,
): Resolved<BuildPlan> {
  const source = resolveRootSource(vm, sources.related, sources.provider);
  const cloudInit = resolveCloudInit(vm, sources);
  const found = cloudInit.ok && cloudInit.value.userData !== undefined ? checkUserData(cloudInit.value.userData) : [];
  const userDataProblems = found.map(({ path, line, message }) => ({
    reason: "InvalidUserData" as const,
    message: `user-data${line === undefined ? "" : ` line ${line}`}${path === "" ? "" : `, ${path}`}: ${message}`,
  }));
  const problems = [...(cloudInit.ok ? userDataProblems : cloudInit.problems), ...(source.ok ? [] : source.problems)];
  if (!source.ok || !cloudInit.ok || !resolved.ok || problems.length > 0) return { ok: false, problems };
  const { rootSizeBytes, seedNics, definition } = resolved.value;
  return {
    ok: true,
    value: {
      root:
        "cloned" in source.value
          ? source.value
          : {
              name: definition.disks[0]?.name ?? "root",
              ...source.value,
              ...(rootSizeBytes === undefined ? {} : { sizeBytes: rootSizeBytes }),
            },
      seed: seedOf(vm, cloudInit.value, seedNics),
    },
  };
}
