// `viv images why`: which image a machine or a role takes and why, down to the plain image, and where each of them stands.

import { isStatus, roleChoiceAnnotation, shippedRolesNamespace, VirtualMachine, VMImage, VMRole } from "@vivarium/api";
import { chooseRoleImage, resolveRole } from "@vivarium/controllers";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";

const subjects = { vm: whyOfMachine, image: whyOfImage, role: whyOfRole } as const;

export async function whyImage(wanted: string, options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const slash = wanted.indexOf("/");
  const kind = slash === -1 ? undefined : wanted.slice(0, slash);
  const name = wanted.slice(slash + 1);
  if (kind !== undefined && !isSubject(kind)) {
    throw new CliUserError(`Cannot explain "${wanted}".`, { fix: ["vm/NAME, image/NAME or role/NAME"], exit: "usage" });
  }
  for (const explain of kind === undefined ? Object.values(subjects) : [subjects[kind]]) {
    if (await explain(session, name)) return;
  }
  const what = kind === undefined ? "neither a VM nor a VMImage nor a role" : `no ${kind}`;
  throw new CliUserError(`There is ${what} "${name}" in namespace "${session.namespace}".`, { exit: "notFound" });
}

function isSubject(kind: string): kind is keyof typeof subjects {
  return Object.hasOwn(subjects, kind);
}

async function whyOfMachine(session: Session, name: string): Promise<boolean> {
  const { namespace } = session;
  const vm = await find(() => session.client.get(VirtualMachine, { namespace, name }));
  if (vm === undefined) return false;
  const choice = vm.metadata.annotations?.[roleChoiceAnnotation];
  const { roleRef, imageRef } = vm.spec;
  print(`VM ${name}${roleRef === undefined ? " names no role" : ` has role ${roleRef.name}`}`);
  if (choice !== undefined) print(`  ${choice}`);
  if (imageRef === undefined) return true;
  await printChain(session, { namespace: imageRef.namespace ?? namespace, name: imageRef.name });
  return true;
}

async function whyOfImage(session: Session, name: string): Promise<boolean> {
  const { namespace } = session;
  if ((await find(() => session.client.get(VMImage, { namespace, name }))) === undefined) return false;
  await printChain(session, { namespace, name });
  return true;
}

/** What a machine of the role would take now, were it made here. */
async function whyOfRole(session: Session, name: string): Promise<boolean> {
  const { client, namespace } = session;
  const lists = await Promise.all(
    [...new Set([namespace, shippedRolesNamespace])].map((each) => client.list(VMRole, { namespace: each })),
  );
  const roles = lists.flatMap(({ items }) => items);
  const resolved = resolveRole({ name, namespace }, (key) =>
    roles.find(({ metadata }) => metadata.name === key.name && metadata.namespace === key.namespace),
  );
  if (resolved.kind === "problem") {
    if (resolved.reason === "RoleNotFound" && roles.every(({ metadata }) => metadata.name !== name)) return false;
    throw new CliUserError(`${resolved.message}.`, { exit: "invalid" });
  }
  const { role, own, images } = resolved;
  const there = (await client.list(VMImage, { namespace })).items;
  const choice = chooseRoleImage({
    role: name,
    own: own.filter((each) => there.some(({ metadata }) => metadata.name === each)),
    images: images.map((image) => ({
      name: image.name,
      isThere: there.some(({ metadata, status }) => metadata.name === image.name && status?.ready === true),
    })),
    onMissing: "Build",
  });
  print(`Role ${name} is VMRole ${role.metadata.namespace ?? ""}/${name}`);
  for (const each of own)
    if (choice.kind !== "image" || choice.image !== each) print(`  ${each} would be its own image, and does not exist`);
  print(`  ${choice.why}`);
  if (choice.kind === "image" && own.includes(choice.image)) {
    await printChain(session, { namespace, name: choice.image });
    return true;
  }
  for (const [depth, image] of images.toReversed().entries()) {
    const found = there.find(({ metadata }) => metadata.name === image.name);
    if (depth > 0) print(`${"  ".repeat(depth)}built upon`);
    const of = image.role === undefined ? "" : ` (role ${image.role})`;
    const state = found === undefined ? "is made when a machine or viv build wants it" : stateOf(found);
    print(`${"  ".repeat(depth + 1)}${image.name}${of}: ${state}`);
  }
  return true;
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
    print(`${indent}${name}${role}: ${stateOf(image)}`);
    next = layer?.parentRef.name;
    if (next !== undefined) print(`${indent}built upon`);
  }
}

function stateOf({ status }: VMImage): string {
  return `${status?.phase ?? "Pending"}, ${status?.message ?? "nobody has looked yet"}`;
}

async function find<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}
