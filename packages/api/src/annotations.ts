// Keys that people and programs put on objects.

/** Holds a VirtualMachine until nothing of it is left on the hypervisor. */
export const virtualMachineFinalizer = "virtualmachine.infra.virtrigaud.io/finalizer";

/** Holds a StoragePool until the hypervisor's pool is removed, or let go of. */
export const storagePoolFinalizer = "storagepool.vivarium.dev/finalizer";

/** Holds a VirtualNetwork until the hypervisor's network is removed, or let go of. */
export const virtualNetworkFinalizer = "virtualnetwork.vivarium.dev/finalizer";

/** Holds a VMSnapshot until nothing of it is left on the hypervisor. */
export const vmSnapshotFinalizer = "vmsnapshot.infra.virtrigaud.io/finalizer";

/** Holds a VMMigration until its machine is on exactly one side. */
export const vmMigrationFinalizer = "vmmigration.infra.virtrigaud.io/finalizer";

/** Holds a VMClone until what it was making is made, or gone. */
export const vmCloneFinalizer = "clone.infra.virtrigaud.io/finalizer";

/** Holds a VMTemplate until its disks are gone from the hypervisor. */
export const vmTemplateFinalizer = "vmtemplate.vivarium.dev/finalizer";

/** Holds a VMExport until nothing of it is left that is no image. */
export const vmExportFinalizer = "vmexport.vivarium.dev/finalizer";

/** Holds a Volume until it is gone from its pool. */
export const volumeFinalizer = "volume.vivarium.dev/finalizer";

/**
 * On a Provider: `true` makes VirtualMachines of domains that others made there, now and of those that come later; `dry-run` only tells in
 * status.adoption what would be adopted, and what cannot be.
 */
export const adoptAnnotation = "virtrigaud.io/adopt-vms";

/** On a Provider, in JSON: which domains; see `AdoptionFilter`. */
export const adoptFilterAnnotation = "virtrigaud.io/adopt-filter";

/** On a Provider; each new value (by custom the time, RFC 3339) asks for another look. */
export const adoptRequestAnnotation = "vivarium.dev/adopt-requested-at";

/**
 * On a Provider: `true` removes the images there that no VMImage means any more and nothing backs onto; `dry-run` only tells in
 * status.imageCollection which those are.
 */
export const collectImagesAnnotation = "vivarium.dev/collect-images";

/** On a Provider; each new value (by custom the time, RFC 3339) asks for another look. */
export const collectImagesRequestAnnotation = "vivarium.dev/collect-images-requested-at";

/** On a VMImage; each new value (by custom the time, RFC 3339) asks for its files to be read and compared with its digest. */
export const validateImageAnnotation = "vivarium.dev/validate-requested-at";

/** On a VirtualMachine that was made of a domain by adoption. */
export const adoptedLabel = "virtrigaud.io/adopted";

/** On a VirtualMachine of a VMSet: the name of the VMSetRevision that it was made from. */
export const revisionLabel = "vivarium.dev/revision";

/** On a VirtualMachine of a VMSet, and on its Volumes: which of the set's machines it is. */
export const ordinalLabel = "vivarium.dev/ordinal";

/** On a Volume that was made from a claim template: the uid of the VMSet. */
export const vmSetUidLabel = "vivarium.dev/vmset-uid";

/** On a VirtualMachine that a VMClone made: the VMClone's uid. */
export const clonedByLabel = "virtrigaud.io/clone";

/** On a VirtualMachine that a VMClone made, for people: what it was made from, as `KIND/NAME`. */
export const clonedFromAnnotation = "virtrigaud.io/cloned-from";

/** On a VirtualMachine that a VMClone made: its uid and the names of the disks that were made for it, as `UID/NAME,NAME`. */
export const clonedDisksAnnotation = "vivarium.dev/cloned-disks";

/** On a linked clone: uid of the VMSnapshot or VMTemplate that its disks need. */
export const linkedToLabel = "vivarium.dev/linked-to";

/** On a VMSnapshot that was taken for clones: it goes when none needs it. */
export const cloneBaseLabel = "vivarium.dev/clone-base";

/** On a Namespace: those, comma-separated, whose VMClones may make machines here; `*` is all. */
export const clonesFromAnnotation = "vivarium.dev/clones-from";

/** On a VirtualMachine that is a linked clone; each new value (by custom the time, RFC 3339) asks to make it independent. */
export const unlinkAnnotation = "vivarium.dev/unlink-requested-at";

/** Beside it, while the work goes on: how much of it is done, by bytes, in percent. */
export const unlinkProgressAnnotation = "vivarium.dev/unlink-progress";

/** On a VMSnapshot: the name of the VMSnapshotSchedule that made it. */
export const snapshotScheduleLabel = "vivarium.dev/snapshot-schedule";

/** On such a VMSnapshot: the moment that it was made for, RFC 3339. */
export const scheduledAtAnnotation = "vivarium.dev/scheduled-at";

/** On an object that is being deleted; `true`: what cannot be reached on the hypervisor is left behind. */
export const forceDeleteAnnotation = "virtrigaud.io/force-delete";

/** On a VirtualMachine; each new value (by custom the time, RFC 3339) asks for one restart. */
export const restartAnnotation = "vivarium.dev/restart-requested-at";

/** In the same way: the guest is asked to reboot. */
export const rebootAnnotation = "vivarium.dev/reboot-requested-at";

/** In the same way: the reset button is pressed. */
export const resetAnnotation = "vivarium.dev/reset-requested-at";

/** In the same way: memory that was saved to disk is thrown away, so that the next start boots. */
export const discardMemoryAnnotation = "vivarium.dev/discard-memory-requested-at";

/** Holds an ImageBuild until its machine is gone. */
export const imageBuildFinalizer = "imagebuild.vivarium.dev/finalizer";

/** On the machine that an ImageBuild builds in: the name of that. */
export const imageBuildLabel = "vivarium.dev/image-build";

/** On an ImageBuild that has failed or was cancelled; each new value (by custom the time, RFC 3339) asks for another try. */
export const retryBuildAnnotation = "vivarium.dev/retry-requested-at";

/** On a VirtualMachine with a role: the VMImage that was chosen for it and put into spec.imageRef. */
export const roleImageAnnotation = "vivarium.dev/role-image";

/** On a VirtualMachine with a role: why that image, or why none. */
export const roleChoiceAnnotation = "vivarium.dev/role-choice";

/** On a VMRole that ships with the product: the digest of its spec as it shipped. One that was changed since is left alone. */
export const shippedDigestAnnotation = "vivarium.dev/shipped-digest";

/** On a VMImage that was made for a role: the name of that. */
export const roleLabel = "vivarium.dev/role";
