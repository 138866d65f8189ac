// The machine that a layer is built in: an ordinary VirtualMachine from the parent image, told by its user-data what to do. Pure.

import { imageBuildLabel, ImageBuild, parseQuantity, VirtualMachine } from "@vivarium/api";
import type { VMImage } from "@vivarium/api";
import { provisionScript } from "@vivarium/images";
import type { BuildMachine } from "./image-build-plan.ts";

const gibibyte = 1024 ** 3;

/** Another try is another machine. */
export function buildMachineName({ metadata }: ImageBuild, attempt: number): string {
  return `build-${(metadata.uid ?? "").slice(0, 8)}-${attempt}`;
}

/** Tells what the guest says of this try from what it says of others. */
export function buildToken({ metadata }: ImageBuild, attempt: number): string {
  return `${(metadata.uid ?? "").slice(0, 8)}-${attempt}`;
}

export function buildMachine(
  build: ImageBuild,
  { image, attempt }: { readonly image: VMImage; readonly attempt: number },
): VirtualMachine {
  const { namespace = "default", name, uid = "" } = build.metadata;
  const { parentRef, resources, ...recipe } = image.spec.source?.layer ?? { parentRef: { name: "" } };
  const { providerRef, host } = build.spec;
  return {
    apiVersion: `${VirtualMachine.group}/${VirtualMachine.version}`,
    kind: VirtualMachine.kind,
    metadata: {
      namespace,
      name: buildMachineName(build, attempt),
      labels: { [imageBuildLabel]: name },
      ownerReferences: [
        {
          apiVersion: `${ImageBuild.group}/${ImageBuild.version}`,
          kind: ImageBuild.kind,
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      ...(providerRef === undefined ? {} : { providerRef }),
      ...(host === undefined ? {} : { placement: { host } }),
      imageRef: { name: parentRef.name },
      resources: {
        cpu: resources?.cpu ?? 2,
        memoryMiB: Math.ceil(parseQuantity(resources?.memory ?? "1Gi") / 1024 ** 2),
      },
      ...(resources?.diskSize === undefined
        ? {}
        : { disks: [{ name: "root", sizeGiB: Math.ceil(parseQuantity(resources.diskSize) / gibibyte) }] }),
      powerState: "On",
      userData: {
        cloudInit: { inline: provisionScript(recipe, { token: buildToken(build, attempt), isForImage: true }) },
      },
    },
  };
}

export function viewBuildMachine(vm: VirtualMachine | undefined, build: ImageBuild): BuildMachine {
  if (vm === undefined) return { kind: "absent" };
  const { metadata, spec, status } = vm;
  const isOurs = (metadata.ownerReferences ?? []).some(({ uid }) => uid === build.metadata.uid);
  if (!isOurs) return { kind: "foreign" };
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const isToldOff = spec.powerState !== "On";
  const lastStop = status?.lastStop;
  // Cut short before its guest said anything, and started again: nothing was lost.
  const isStopped = lastStop !== undefined && lastStop.method !== "BootRetry" && !isToldOff;
  const why = lastStop?.message ?? `its machine went off (${lastStop?.method ?? ""})`;
  return {
    kind: "present",
    uid: metadata.uid ?? "",
    isDeleting: metadata.deletionTimestamp !== undefined,
    isOff: isToldOff && status?.powerState === "Off",
    isToldOff,
    ...(isStopped ? { stopped: `It was stopped before its end: ${why}` } : {}),
    ...(status?.phase === "Failed" ? { failed: ready?.message ?? status.message ?? "" } : {}),
    message: ready?.message ?? status?.message ?? "Its machine is being made",
  };
}
