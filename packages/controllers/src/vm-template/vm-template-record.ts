// What is remembered of a template across restarts; only the VMTemplate controller writes it. And what others read of it.

import type { VirtualMachineSpec, VMTemplate } from "@vivarium/api";
import type { VmIdentity } from "@vivarium/provider";
import type { ProviderKey } from "../provider-registry.ts";
import type { BaseRecord } from "../vm-clone/clone-base.ts";
import type { TemplateInput } from "./vm-template-plan.ts";

export interface TemplateRecord {
  readonly stage: TemplateInput["stage"];
  /** The VMSnapshot that it is made from. */
  readonly snapshot?: BaseRecord;
  readonly failure?: { readonly reason: string; readonly message: string };
}

const stages: readonly TemplateInput["stage"][] = ["none", "copying", "made", "failed"];

export function templateRecordOf({ status }: Pick<VMTemplate, "status">): TemplateRecord {
  const record: Partial<TemplateRecord> = status?.record ?? {};
  return { ...record, stage: stages.find((each) => each === record.stage) ?? "none" };
}

/** Under which its disks lie on the hypervisor. */
export function identityOfTemplate({ metadata }: VMTemplate): VmIdentity {
  return { uid: metadata.uid ?? "", namespace: metadata.namespace ?? "default", name: metadata.name };
}

/** What the source was when it was copied. */
export function machineOfTemplate({ status }: VMTemplate): {
  readonly spec: VirtualMachineSpec;
  readonly labels: Readonly<Record<string, string>>;
} {
  const { spec = {}, labels = {} }: { spec?: VirtualMachineSpec; labels?: Record<string, string> } =
    status?.machine ?? {};
  return { spec, labels };
}

/** Where its disks lie, or may. */
export function connectionOfTemplate({ status }: VMTemplate): ProviderKey | undefined {
  if (status?.provider === undefined) return undefined;
  const [namespace = "", name = ""] = status.provider.split("/");
  return { namespace, name, ...(status.host === undefined ? {} : { host: status.host }) };
}
