// Refuses a machine, a set's template or a growing class that no host can ever take, with the figures. What only does not fit now is written,
// and waits for room.

import { StatusError, VirtualMachine, VMClass, VMSet } from "@vivarium/api";
import type { AdmissionPlugin, AdmissionRequest } from "@vivarium/apiserver";
import type { SizeCheck, SizeFinding } from "@vivarium/controllers";
import { isDeepStrictEqual } from "node:util";

/** `check`: undefined while the controllers do not run in this server. */
export function sizeAdmission(check: () => SizeCheck | undefined): AdmissionPlugin {
  return {
    name: "Size",
    isInterested: ({ operation, resource, subresource }) =>
      (operation === "CREATE" || operation === "UPDATE") &&
      subresource === undefined &&
      [VirtualMachine, VMSet, VMClass].some(
        ({ group, plural }) => resource.group === group && resource.plural === plural,
      ),
    admit(request) {
      const { resource, name, object, oldObject, warnings } = request;
      // Also at each change of a finalizer.
      if (object?.metadata.deletionTimestamp !== undefined) return undefined;
      if (isDeepStrictEqual(object?.["spec"], oldObject?.["spec"])) return undefined;
      const sizes = check();
      if (sizes === undefined) {
        warnings.push("Whether a host is large enough was not checked: the controllers do not run in this server");
        return undefined;
      }
      const found = findingOf(request, sizes);
      warnings.push(...found.warnings);
      if (found.problems.length === 0) return undefined;
      const sentences = found.problems.map(({ field, message }) => `${field}: ${message}`);
      throw new StatusError(
        "Invalid",
        `${resource.kind}.${resource.group} "${name}" is invalid: ${sentences.join("; ")}`,
        {
          details: {
            name,
            group: resource.group,
            kind: resource.kind,
            causes: found.problems.map((problem) => ({ ...problem, reason: "FieldValueInvalid" })),
          },
        },
      );
    },
  };
}

function findingOf({ resource, object, oldObject }: AdmissionRequest, sizes: SizeCheck): SizeFinding {
  switch (resource.plural) {
    case VirtualMachine.plural: {
      const vm = object as VirtualMachine | undefined;
      return vm === undefined ? fine : sizes.machine(vm, oldObject as VirtualMachine | undefined);
    }
    case VMSet.plural: {
      const set = object as VMSet | undefined;
      return set === undefined ? fine : sizes.set(set, oldObject as VMSet | undefined);
    }
    default: {
      // A new class has no machines that run by it.
      const vmClass = oldObject === undefined ? undefined : (object as VMClass | undefined);
      return vmClass === undefined ? fine : sizes.class(vmClass);
    }
  }
}

const fine: SizeFinding = { problems: [], warnings: [] };
