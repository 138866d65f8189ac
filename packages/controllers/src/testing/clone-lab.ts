// A running machine `web` on a simulated hypervisor, and all controllers that clones need.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { isStatus, VMClone } from "@vivarium/api";
import type { ResourceType, VirtualMachineSpec, VMCloneSpec } from "@vivarium/api";
import type { Controller } from "@vivarium/runtime";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { createVmCloneController } from "../vm-clone/vm-clone.ts";
import { createVmUnlinkController } from "../vm-clone/vm-unlink.ts";
import { createVmSnapshotController } from "../vm-snapshot.ts";
import { createVmTemplateController } from "../vm-template/vm-template.ts";
import { controllersLab, headOf } from "./controllers-lab.ts";
import type { ControllersLab } from "./controllers-lab.ts";
import { domainOf, startWeb } from "./web-machine.ts";

export interface CloneLab extends ControllersLab {
  readonly clone: (name: string, spec: Partial<VMCloneSpec>) => Promise<VMClone>;
  /** What is on the disks of this machine. */
  readonly dataOf: (name: string) => Promise<string>;
  readonly write: (name: string, data: string) => Promise<void>;
  readonly remove: (type: ResourceType, name: string) => Promise<void>;
  readonly untilGone: (type: ResourceType, name: string) => Promise<void>;
}

export async function cloneLab(
  t: TestContext,
  spec: Partial<VirtualMachineSpec> = {},
  more: (parts: Pick<ControllersLab, "manager" | "providers" | "clock">) => readonly Controller[] = () => [],
): Promise<CloneLab> {
  const base = await controllersLab(t);
  const { client, manager, providers, clock } = base;
  base.run(
    createVirtualMachineController({ manager, providers, clock }),
    createVmSnapshotController({ manager, providers, clock }),
    createVmCloneController({ manager, providers, clock }),
    createVmUnlinkController({ manager, providers, clock }),
    createVmTemplateController({ manager, providers, clock }),
    ...more(base),
  );
  await startWeb(t, base, spec);
  return {
    ...base,
    remove: (type, name) => remove(client, type, name),
    untilGone: (type, name) => untilGone(client, type, name),
    clone: (name, wanted) =>
      client.create(VMClone, {
        ...headOf(VMClone, name),
        spec: {
          ...(wanted.source === undefined ? { source: { vmRef: { name: "web" } } } : {}),
          target: { name },
          ...wanted,
        },
      }),
    dataOf: async (name) => (await domainOf(base, name)).data ?? "",
    write: async (name, data) => void ((await domainOf(base, name)).data = data),
  };
}

async function remove(client: ControllersLab["client"], type: ResourceType, name: string): Promise<void> {
  await client.delete(type, { namespace: "default", name });
  await untilGone(client, type, name);
}

async function untilGone(client: ControllersLab["client"], type: ResourceType, name: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    try {
      await client.get(type, { namespace: "default", name });
    } catch (error) {
      assert.ok(isStatus(error, "NotFound"));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`${type.kind} ${name} is still there`);
}
