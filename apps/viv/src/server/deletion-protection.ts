// Refuses to delete a VirtualMachine that says `deletionProtection`: whoever asks, and however the DELETE comes about (also with its
// namespace). The way out is to change the field, which is a write of its own with a name in the audit log.

import { StatusError, VirtualMachine } from "@vivarium/api";
import type { AdmissionPlugin } from "@vivarium/apiserver";

export const deletionProtection: AdmissionPlugin = {
  name: "DeletionProtection",
  isInterested: ({ operation, resource, subresource }) =>
    operation === "DELETE" &&
    subresource === undefined &&
    resource.group === VirtualMachine.group &&
    resource.plural === VirtualMachine.plural,
  admit({ name, oldObject }) {
    const vm = oldObject as VirtualMachine | undefined;
    // What is being deleted already was not protected when that began.
    if (vm?.spec.deletionProtection !== true || vm.metadata.deletionTimestamp !== undefined) return undefined;
    throw new StatusError(
      "Forbidden",
      `VirtualMachine "${name}" is protected: set spec.deletionProtection to false before it is deleted`,
    );
  },
};
