// `viv create --template`: a VM made of a VMTemplate, which is a VMClone. What the template says is not said again.

import { VMClone } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { VmWishes } from "../lab/vm-manifest.ts";
import { showObjects } from "../output/show-objects.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForVms } from "../session/wait-for-vms.ts";
import { clone, cloneOf } from "./clone.ts";
import type { CloneOptions } from "./clone.ts";

export interface TemplateWishes extends CloneOptions, VmWishes {
  readonly userData?: string;
  readonly dryRun?: "client";
  readonly output?: "json" | "yaml" | "name";
}

export async function createFromTemplate(name: string, template: string, options: TemplateWishes): Promise<void> {
  refuseOthers(options);
  const start = options.off !== true;
  if (options.dryRun !== undefined) {
    const namespace = options.namespace ?? "default";
    const object = cloneOf(name, {
      from: { templateRef: { name: template } },
      namespace,
      options: { ...options, start },
    });
    await showObjects([{ kind: VMClone, object }], { format: options.output ?? "name", single: true });
    return;
  }
  await clone(`template/${template}`, name, { ...options, start, wait: options.wait === true });
  if (options.wait !== true || !start) return;
  await using session = await connect(options);
  using signal = interruptSignal();
  await waitForVms(session, [{ namespace: session.namespace, name }], { timeoutMs: options.timeout, signal });
}

function refuseOthers({ role, image, cpus, memory, disk, network, provider, label, userData }: TemplateWishes): void {
  const given = Object.entries({ role, image, cpus, memory, disk, provider, "user-data": userData })
    .filter(([, value]) => value !== undefined)
    .map(([option]) => `--${option}`);
  if (network.length > 0) given.push("--network");
  if (label.length > 0) given.push("--label");
  if (given.length === 0) return;
  throw new CliUserError(`With --template the VM is as the template says: ${given.join(", ")} cannot be given.`, {
    fix: ["Make a VMClone of it, which can say more: kubectl explain vmclone.spec"],
    exit: "usage",
  });
}
