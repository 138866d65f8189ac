// What a VM's root disk is made from: an image, once that is on the VM's provider, where the VMImage controller brings it because this VM
// refers to it; or disks that a VMClone makes. Pure.

import { formatDuration, parseDuration, roleChoiceAnnotation } from "@vivarium/api";
import type { Provider, VirtualMachine, VMImage } from "@vivarium/api";
import { imageOnProvider } from "../../image-on-provider.ts";
import { resolveClonedDisks } from "./cloned-disks.ts";
import { keyOf } from "./definition.ts";
import type { RelatedObjects } from "./definition.ts";
import type { ClonedDisks, ImageDisk, Problem, Resolved } from "../plan/input.ts";
import { connectionOfVm } from "../../vm-host.ts";

type RootSource = Pick<ImageDisk, "imageId"> | ClonedDisks;

/** Without a provider only whether the image exists can be said. */
export function resolveRootSource(
  vm: VirtualMachine,
  related: RelatedObjects,
  provider: Provider | undefined,
): Resolved<RootSource> {
  const cloned = resolveClonedDisks(vm, related);
  if (cloned !== undefined) return { ok: true, value: { cloned } };
  const ref = vm.spec.imageRef;
  if (ref === undefined && vm.spec.roleRef !== undefined) {
    const why = vm.metadata.annotations?.[roleChoiceAnnotation];
    return why === undefined
      ? problem("ImageNotReady", `The image of role "${vm.spec.roleRef.name}" is being chosen`)
      : problem("ImageNotFound", why);
  }
  if (ref === undefined)
    return problem("InvalidSpec", "spec.imageRef is absent: name the VMImage that the root disk is cloned from");
  const key = keyOf(vm, ref);
  const name = `VMImage "${key.namespace}/${key.name}"`;
  const image = related.image(key);
  if (image === undefined) return problem("ImageNotFound", `${name} does not exist`);
  if (provider === undefined) return { ok: false, problems: [] };
  const there = imageOnProvider(
    image,
    connectionOfVm(vm, provider) ?? { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name },
  );
  switch (there.kind) {
    case "available":
      return { ok: true, value: { imageId: there.id } };
    case "missing":
      return image.status?.phase === "Failed"
        ? problem("ImageFailed", `${name} cannot be prepared (${there.reason}): ${there.message}`)
        : problem("ImageNotReady", `${name} is being prepared: ${progressOf(image)}`);
  }
}

function progressOf(image: VMImage): string {
  const { phase, importProgress: progress, message } = image.status ?? {};
  const parts: string[] = [];
  if (phase !== undefined && phase !== "Ready") parts.push(phase.toLowerCase());
  if (progress?.percentage !== undefined && (progress.totalBytes ?? 0) > 0) parts.push(`${progress.percentage} %`);
  const text = parts.join(" ");
  const eta = progress?.eta === undefined ? "" : `, ETA ${etaOf(progress.eta)}`;
  if (text !== "" && (parts.length > 1 || message === undefined)) return `${text}${eta}`;
  return message ?? (text === "" ? "waiting for it to begin" : text);
}

function etaOf(eta: string): string {
  try {
    return formatDuration(parseDuration(eta));
  } catch {
    return eta;
  }
}

function problem(
  reason: Problem["reason"],
  message: string,
): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ reason, message }] };
}
