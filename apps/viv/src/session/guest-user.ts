// Who to log in as: what the VM's user-data says, else the usual user of the image's distribution.

import { isStatus, VMImage, type ObjectKey, type VirtualMachine } from "@vivarium/api";
import type { Client } from "@vivarium/client";

const defaultUsers: Readonly<Record<string, string>> = {
  debian: "debian",
  ubuntu: "ubuntu",
  fedora: "fedora",
  centos: "cloud-user",
  rhel: "cloud-user",
  suse: "opensuse",
  freebsd: "freebsd",
  coreos: "core",
};

/** Annotation on a VirtualMachine or VMImage that names the user. */
export const sshUserAnnotation = "vivarium.dev/ssh-user";

export async function guestUser(client: Client, vm: VirtualMachine): Promise<string> {
  const annotated = vm.metadata.annotations?.[sshUserAnnotation];
  if (annotated !== undefined) return annotated;
  const inline = vm.spec.userData?.cloudInit?.inline;
  const { parse } = await import("yaml");
  const named = inline === undefined ? undefined : userOf(parseOrUndefined(inline, parse));
  if (named !== undefined) return named;
  const image = await imageOf(client, vm);
  return (
    image?.metadata.annotations?.[sshUserAnnotation] ??
    defaultUsers[image?.spec.distribution?.name ?? "debian"] ??
    "debian"
  );
}

function parseOrUndefined(text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch {
    // A script or a multi-part archive: it does not say in a way that can be read here.
    return undefined;
  }
}

/** Pure: the user that gets the instance's SSH keys by this cloud-config, if it changes the distribution's own. */
export function userOf(config: unknown): string | undefined {
  if (!isRecord(config)) return undefined;
  const { user, users, system_info: system } = config;
  if (typeof user === "string") return user;
  if (isRecord(user) && typeof user["name"] === "string") return user["name"];
  if (isRecord(system) && isRecord(system["default_user"]) && typeof system["default_user"]["name"] === "string") {
    return system["default_user"]["name"];
  }
  if (!Array.isArray(users) || users.includes("default")) return undefined;
  const first: unknown = users.find((each) => isRecord(each) && typeof each["name"] === "string");
  return isRecord(first) ? (first["name"] as string) : undefined;
}

async function imageOf(client: Client, vm: VirtualMachine): Promise<VMImage | undefined> {
  const reference = vm.spec.imageRef;
  if (reference === undefined) return undefined;
  const namespace = reference.namespace ?? vm.metadata.namespace;
  const key: ObjectKey = namespace === undefined ? { name: reference.name } : { namespace, name: reference.name };
  try {
    return await client.get(VMImage, key);
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
