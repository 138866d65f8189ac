// What commands ask of a VirtualMachine object.

import { findCondition, VirtualMachine, type Condition, type ObjectKey } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import type { Session } from "./connect.ts";

export function readyCondition(vm: VirtualMachine): Condition | undefined {
  return findCondition(vm.status?.conditions, "Ready");
}

/** True when what `status` says is about the spec as it is now, and that it is Ready. */
export function isReady(vm: VirtualMachine | undefined): boolean {
  if (vm === undefined) return false;
  const ready = readyCondition(vm);
  const seen = ready?.observedGeneration ?? vm.status?.observedGeneration;
  return ready?.status === "True" && (seen === undefined || seen === vm.metadata.generation);
}

/** In the place of a stage when the server has not said anything. */
export const notSeen = "not known: the server has not answered in that time";

/** One line: phase, reason and message. */
export function stageOf(vm: VirtualMachine | undefined): string {
  if (vm === undefined) return "it does not exist";
  const ready = readyCondition(vm);
  const phase = vm.status?.phase ?? "Pending";
  const message = ready?.status === "True" ? undefined : (ready?.message ?? vm.status?.message);
  const reason = ready === undefined || ready.status === "True" || ready.reason === "" ? "" : ` (${ready.reason})`;
  return `${phase}${reason}${message === undefined || message === "" ? "" : `: ${message}`}`;
}

export async function firstAddress(client: Client, key: ObjectKey): Promise<{ vm: VirtualMachine; ip: string }> {
  const vm = await client.get(VirtualMachine, key);
  const ip = vm.status?.ips?.[0];
  if (ip === undefined) {
    throw new CliUserError(`VM "${key.name}" has no IP address yet: ${stageOf(vm)}`, {
      fix: [`viv status ${key.name}`, `viv logs ${key.name}`],
    });
  }
  return { vm, ip };
}

/** For a command line that names none: the VM that it must mean. */
export async function onlyVm({ client, namespace }: Pick<Session, "client" | "namespace">): Promise<string> {
  const { items } = await client.list(VirtualMachine, { namespace });
  const names = items.map(({ metadata }) => metadata.name);
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw new CliUserError(
    only === undefined ? `There is no VM in namespace "${namespace}".` : `Which VM? There are ${names.join(", ")}.`,
    { fix: only === undefined ? ["viv create NAME"] : ["Name one."], exit: only === undefined ? "notFound" : "usage" },
  );
}
