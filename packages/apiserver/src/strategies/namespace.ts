// Namespace: its own finalizer in spec.finalizers holds it until NamespaceLifecycle has deleted what is in it.

import { ageColumn } from "./age-column.ts";
import type { ApiObject } from "../stored-object.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

/** They exist from the start and for ever. */
export const firstNamespaces: readonly string[] = ["default", "kube-system", "vivarium-system"];

interface NamespaceParts {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

const parts = (object: ApiObject): NamespaceParts => object as ApiObject & NamespaceParts;

export const namespaceStrategy: Strategy = {
  ...coreStrategy,
  nameRule: "label",
  selectableFields: ["status.phase"],
  columns: [
    {
      name: "Status",
      type: "string",
      description: "Active or Terminating.",
      cell: (object) => parts(object).status?.phase ?? "",
    },
    ageColumn,
  ],
  prepare(object, old) {
    object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
    if (old === undefined) {
      object["spec"] = { finalizers: ["kubernetes"] };
      object["status"] = { phase: "Active" };
    } else {
      // Both are the server's own: only deletion changes them.
      object["spec"] = old["spec"];
      object["status"] = old["status"];
    }
  },
  isPermanent: (object) => firstNamespaces.includes(object.metadata.name),
  isHeld: (object) => (parts(object).spec?.finalizers ?? []).length > 0,
  markDeleted(object) {
    object["status"] = { ...parts(object).status, phase: "Terminating" };
  },
};
