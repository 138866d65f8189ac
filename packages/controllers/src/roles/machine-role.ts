// Chooses the image of each VirtualMachine that has a role, and puts it into spec.imageRef: to all others it is then a machine like any other.
// A machine that is made keeps its disk, whatever becomes of its role.

import { roleChoiceAnnotation, roleImageAnnotation, Provider, VirtualMachine, VMImage, VMRole } from "@vivarium/api";
import { provisionScript } from "@vivarium/images";
import { related } from "@vivarium/runtime";
import type { Controller, Manager, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { effectiveProvider } from "../effective-provider.ts";
import { imageOnProvider } from "../image-on-provider.ts";
import { requestOf } from "../request-of.ts";
import { connectionOfVm } from "../vm-host.ts";
import { chooseRoleImage } from "./choose-role-image.ts";
import type { RoleImageChoice } from "./choose-role-image.ts";
import { ensureRoleImages } from "./ensure-role-images.ts";
import type { ResolvedRole } from "./resolve-role.ts";

export function createMachineRoleController({ manager }: { readonly manager: Manager }): Controller {
  const { client, recorder } = manager;
  const machines = manager.cache(VirtualMachine);
  const providers = manager.cache(Provider);
  const images = manager.cache(VMImage);
  const roles = manager.cache(VMRole);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const vm = machines.get(request);
    const roleRef = vm?.spec.roleRef;
    if (vm === undefined || roleRef === undefined || !isOpen(vm)) return undefined;
    const namespace = request.namespace;
    const resolved = await ensureRoleImages(manager, { roleRef, namespace, roles, signal });
    const choice: RoleImageChoice =
      resolved.kind === "problem"
        ? { kind: "none", why: resolved.message }
        : chooseRoleImage({
            role: resolved.role.metadata.name,
            own: resolved.own.filter((name) => images.get({ namespace, name }) !== undefined),
            images: resolved.images.map(({ name }) => ({ name, isThere: isThere(vm, name) })),
            onMissing: vm.spec.onMissingRoleImage ?? "Build",
          });
    await bind(vm, choice, { recipe: resolved.kind === "resolved" ? resolved.recipe : {}, signal });
    return undefined;
  }

  /** What a machine's image is built upon is made anew when it was deleted meanwhile. */
  function isGone({ namespace = "", name }: VMImage["metadata"]): boolean {
    return images.get({ namespace, name }) === undefined;
  }

  function isThere(vm: VirtualMachine, name: string): boolean {
    const image = images.get({ namespace: vm.metadata.namespace ?? "", name });
    const effective = effectiveProvider(vm, providers.list());
    const provider = effective.kind === "found" ? providers.get(effective.key) : undefined;
    const connection = provider && connectionOfVm(vm, provider);
    if (image === undefined || connection === undefined) return false;
    return imageOnProvider(image, connection).kind === "available";
  }

  async function bind(
    vm: VirtualMachine,
    choice: RoleImageChoice,
    { recipe, signal }: { readonly recipe: ResolvedRole["recipe"]; readonly signal: AbortSignal },
  ): Promise<void> {
    const { annotations = {}, namespace = "", name, uid = "" } = vm.metadata;
    const wanted = choice.kind === "none" ? undefined : choice.image;
    const isProvisioned = choice.kind === "provision";
    const script = isProvisioned ? provisionScript(recipe, { token: uid.slice(0, 8), isForImage: false }) : undefined;
    const isSame =
      vm.spec.imageRef?.name === wanted &&
      annotations[roleChoiceAnnotation] === choice.why &&
      (script === undefined || vm.spec.userData?.vendorData?.inline === script);
    if (isSame) return;
    recorder.record(vm, {
      type: choice.kind === "image" ? "Normal" : "Warning",
      reason: choice.kind === "none" ? "NoRoleImage" : "RoleImageChosen",
      message: choice.why,
    });
    await client.mergePatch(
      VirtualMachine,
      { namespace, name },
      {
        metadata: { annotations: { [roleImageAnnotation]: wanted ?? null, [roleChoiceAnnotation]: choice.why } },
        spec: {
          imageRef: wanted === undefined ? null : { name: wanted },
          ...(script === undefined ? {} : { userData: { vendorData: { inline: script } } }),
        },
      },
      { signal },
    );
  }

  return {
    name: "machine-role",
    for: VirtualMachine,
    related: [
      related(VMRole, () => machines.list().filter(isOpen).map(requestOf)),
      related(VMImage, ({ metadata }) =>
        machines
          .list({ namespace: metadata.namespace ?? "" })
          .filter((vm) => isWaiting(vm) || (isOpen(vm) && isGone(metadata)))
          .map(requestOf),
      ),
    ],
    reconcile,
  };
}

/** Has a role, has not been made, and was not told by its user which image to take. */
function isOpen({ metadata, spec, status }: VirtualMachine): boolean {
  if (spec.roleRef === undefined || metadata.deletionTimestamp !== undefined) return false;
  // Its root disk may be there from now on.
  if (status?.domain !== undefined || status?.provider?.["madeOn"] !== undefined) return false;
  return spec.imageRef === undefined || spec.imageRef.name === metadata.annotations?.[roleImageAnnotation];
}

/** An image that appears, or becomes ready, may be its own. */
function isWaiting(vm: VirtualMachine): boolean {
  return isOpen(vm) && (vm.spec.imageRef === undefined || vm.spec.onMissingRoleImage === "Provision");
}
