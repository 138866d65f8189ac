// `viv env`: a ready-made set of VMs, made and started in order. What is made are ordinary VMs and a VMGroup of them.

import { isStatus, VirtualMachine, type KubeObject } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { environmentManifests, isGroup, shippedEnvironments } from "../lab/environment.ts";
import { ensureLabBase } from "../lab/lab-base.ts";
import { giveKeys } from "../lab/give-keys.ts";
import { checkedName } from "../lab/vm-manifest.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import type { Manifest } from "../resources/load-manifests.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { applyManifests } from "./apply.ts";
import { waitForOperation } from "./group.ts";

interface CreateOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly dryRun?: "client";
  readonly output?: "json" | "yaml" | "name";
}

export async function listEnvironments(): Promise<void> {
  print(
    textTable(
      ["name", "what"],
      shippedEnvironments().map(({ name, description }) => [name, description]),
    ),
  );
}

export async function createEnvironment(
  environment: string,
  as: string | undefined,
  options: CreateOptions,
): Promise<void> {
  const name = checkedName(as ?? environment);
  const manifests = environmentManifests(environment, name);
  if (options.dryRun !== undefined) {
    await showObjects(manifests, { format: options.output ?? "name", single: false });
    return;
  }
  await using session = await connect(options);
  using signal = interruptSignal();
  await refuseTaken(session, manifests, signal);
  await giveKeys(session);
  for (const { object } of manifests) {
    if (!isVm(object)) continue;
    for (const label of await ensureLabBase(session, object.spec, { signal })) tell(`${label} created`);
  }
  for (const { label, result } of await applyManifests(session, manifests)) print(`${label} ${result.outcome}`);
  const group = manifests.map(({ object }) => object).find((object) => isGroup(object));
  const id = group?.spec.operation?.id;
  if (options.wait === false || group === undefined || id === undefined) return;
  const key = { namespace: session.namespace, name: group.metadata.name };
  await waitForOperation(session, key, { timeout: options.timeout, action: "Start", id, signal });
}

/** Before anything is made. */
async function refuseTaken(session: Session, manifests: readonly Manifest[], signal: AbortSignal): Promise<void> {
  for (const { kind, object } of manifests) {
    const { name } = object.metadata;
    try {
      await session.client.get(kind, { namespace: session.namespace, name }, { signal });
    } catch (error) {
      if (isStatus(error, "NotFound")) continue;
      throw error;
    }
    throw new CliUserError(`There is a ${kind.singular} "${name}" already; nothing was made.`, {
      fix: ["viv env create ENVIRONMENT ANOTHER-NAME"],
      exit: "conflict",
    });
  }
}

function isVm(object: KubeObject): object is VirtualMachine {
  return object.kind === VirtualMachine.kind;
}
