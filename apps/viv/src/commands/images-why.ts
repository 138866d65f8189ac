// `viv images why`: which image a machine takes and why, down to the plain image, and where each of them stands.

import { isStatus, roleChoiceAnnotation, VirtualMachine, VMImage } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";

export async function whyImage(name: string, options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const { namespace } = session;
  const vm = await find(() => session.client.get(VirtualMachine, { namespace, name }));
  if (vm !== undefined) {
    const choice = vm.metadata.annotations?.[roleChoiceAnnotation];
    const { roleRef, imageRef } = vm.spec;
    print(`VM ${name}${roleRef === undefined ? " names no role" : ` has role ${roleRef.name}`}`);
    if (choice !== undefined) print(`  ${choice}`);
    if (imageRef === undefined) return;
    await printChain(session, { namespace: imageRef.namespace ?? namespace, name: imageRef.name });
    return;
  }
  const image = await find(() => session.client.get(VMImage, { namespace, name }));
  if (image === undefined) {
    throw new CliUserError(`There is neither a VM nor a VMImage "${name}" in namespace "${namespace}".`, {
      exit: "notFound",
    });
  }
  await printChain(session, { namespace, name });
}

/** From the image down to what it is built upon. */
async function printChain(session: Session, key: { readonly namespace: string; readonly name: string }): Promise<void> {
  let next: string | undefined = key.name;
  for (let depth = 0; next !== undefined && depth < 32; depth += 1) {
    const name: string = next;
    const image = await find(() => session.client.get(VMImage, { namespace: key.namespace, name }));
    const layer = image?.spec.source?.layer;
    const indent = "  ".repeat(depth + 1);
    if (image === undefined) {
      print(`${indent}${name}: does not exist`);
      return;
    }
    const role = layer?.role === undefined ? "" : ` (role ${layer.role})`;
    print(
      `${indent}${name}${role}: ${image.status?.phase ?? "Pending"}, ${image.status?.message ?? "nobody has looked yet"}`,
    );
    next = layer?.parentRef.name;
    if (next !== undefined) print(`${indent}built upon`);
  }
}

async function find<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}
