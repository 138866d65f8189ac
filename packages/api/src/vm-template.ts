// VMTemplate: a machine kept to make others of: its disks, copied at one moment, and what its spec said then. One object is one version.

import type { Static } from "typebox";
import { controllerRecord, eta, localRef, observed, percentage, whatGoesOn } from "./common-fields.ts";
import { choice, dateTime, duration, int64, list, opaque, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { ObjectKey, Resource } from "./meta.ts";

const spec = struct("What is kept. Once it is made nothing of it changes: another version is another object.", {
  name: optional(
    string("Name that its versions share; the object's name when absent.", {
      maxLength: 253,
      pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    }),
  ),
  version: optional(
    string("Which version it is. Numbers in it count as numbers: 10 is after 9.", {
      maxLength: 63,
      pattern: "^[A-Za-z0-9]([A-Za-z0-9._+-]*[A-Za-z0-9])?$",
    }),
  ),
  description: optional(string("What it is for.", { maxLength: 1024 })),
  source: struct("What it is made from, once: exactly one of these.", {
    vmRef: optional(localRef("A VirtualMachine, running or not.")),
    snapshotRef: optional(localRef("A VMSnapshot.")),
  }),
  timeout: optional(duration("How long the copy of the disks may take. 1h when absent.")),
});

const status = struct("What became of it.", {
  phase: optional(choice("How far it is.", ["Pending", "Preparing", "Copying", "Ready", "Failed", "Deleting"])),
  message: optional(whatGoesOn()),
  source: optional(string("What it is made from, as KIND/NAME.")),
  completionTime: optional(dateTime("When it was made.")),
  consistency: optional(
    choice("What of a running source it holds: see VMSnapshot.", ["Off", "Memory", "Filesystem", "Crash"]),
  ),
  provider: optional(string("Provider that it lies on, as NAMESPACE/NAME.")),
  host: optional(string("Host that it lies on, of a Provider with several.")),
  disks: optional(
    list("Its disks.", struct("One disk.", { name: string("Its name."), sizeBytes: int64("As a guest sees it.") })),
  ),
  progress: optional(
    struct("How far the copy of the disks is.", {
      percentage: optional(percentage()),
      eta: optional(eta()),
    }),
  ),
  machine: optional(opaque("What the source's spec said.")),
  usedBy: optional(list("Machines whose disks back onto it.", string("Name of the machine."))),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether machines can be made of it."),
});

export type VMTemplateSpec = Static<typeof spec>;
export type VMTemplateStatus = Static<typeof status>;
export type VMTemplate = Resource<VMTemplateSpec, VMTemplateStatus>;

export const VMTemplate: KindDefinition<VMTemplate> = defineKind({
  ...vivarium,
  kind: "VMTemplate",
  plural: "vmtemplates",
  shortNames: ["vmtpl"],
  description: "A machine kept to make others of, by a VMClone with source.templateRef. One object is one version.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Template", type: "string", jsonPath: ".spec.name" },
    { name: "Version", type: "string", jsonPath: ".spec.version" },
    phaseColumn,
    { name: "Source", type: "string", jsonPath: ".status.source" },
    ageColumn,
    { name: "Used By", type: "string", jsonPath: ".status.usedBy[*]", priority: 1 },
    messageColumn,
  ],
});

/** What `templateRef` means: the object of that name, else the last version of the template of that name that is ready. */
export function findTemplate(templates: readonly VMTemplate[], { namespace, name }: ObjectKey): VMTemplate | undefined {
  const near = templates.filter(({ metadata }) => metadata.namespace === namespace);
  const named = near.find(({ metadata }) => metadata.name === name);
  if (named !== undefined) return named;
  const versions = near.filter((each) => each.spec.name === name).toSorted(byVersion);
  return versions.findLast(isUsable) ?? versions.at(-1);
}

function isUsable({ metadata, status: is }: VMTemplate): boolean {
  return is?.phase === "Ready" && metadata.deletionTimestamp === undefined;
}

const byNumbers = new Intl.Collator("en", { numeric: true });

function byVersion(a: VMTemplate, b: VMTemplate): number {
  const time = (each: VMTemplate): string => each.metadata.creationTimestamp ?? "";
  return byNumbers.compare(a.spec.version ?? "", b.spec.version ?? "") || byNumbers.compare(time(a), time(b));
}
