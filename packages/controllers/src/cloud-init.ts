// What a VM's guest is told at its first boot: user-data, meta-data and network configuration, from the VirtualMachine, the Secrets
// that it names and the SSH keys of this installation. Pure.

import { clonedByLabel } from "@vivarium/api";
import type { ConfigMap, ObjectKey, Secret, VirtualMachine } from "@vivarium/api";
import { buildSeed, networkConfigFor } from "@vivarium/images";
import type { SeedNic } from "@vivarium/images";
import { parse } from "yaml";
import { messageOf } from "./steps/problem-of.ts";
import type { Problem, Resolved } from "./virtual-machine/plan/input.ts";

/** Public keys that every guest gets: all lines of all entries. */
export const sshKeysConfigMap = { namespace: "vivarium-system", name: "vivarium-ssh-keys" } as const;

const userDataKeys = ["user-data", "userdata", "cloud-init"];
const metaDataKeys = ["meta-data", "metadata"];

export interface CloudInitSources {
  secret(key: Required<ObjectKey>): Secret | undefined;
  readonly sshKeys: ConfigMap | undefined;
}

export interface CloudInit {
  /** Absent: there is none, and the guest gets an empty `#cloud-config`. */
  readonly userData?: string;
  /** Laid over what Vivarium says of the instance. */
  readonly metaData: Readonly<Record<string, unknown>>;
  readonly publicKeys: readonly string[];
}

/** Every Secret that the VM's cloud-init names. */
export function cloudInitSecretsOf(vm: VirtualMachine): readonly Required<ObjectKey>[] {
  return [vm.spec.userData?.cloudInit?.secretRef, vm.spec.metaData?.cloudInit?.secretRef].flatMap((ref) =>
    ref === undefined ? [] : [secretKey(vm, ref.name)],
  );
}

export function resolveCloudInit(vm: VirtualMachine, sources: CloudInitSources): Resolved<CloudInit> {
  const problems: Problem[] = [];
  const userData = textOf(vm, { ...vm.spec.userData?.cloudInit, keys: userDataKeys }, { sources, problems });
  const metaText = textOf(vm, { ...vm.spec.metaData?.cloudInit, keys: metaDataKeys }, { sources, problems });
  const metaData = metaDataOf(metaText, problems);
  if (problems.length > 0) return { ok: false, problems };
  const publicKeys = publicKeysOf(sources.sshKeys);
  return { ok: true, value: { ...(userData === undefined ? {} : { userData }), metaData, publicKeys } };
}

/** The bytes of the seed disk. The same input gives the same instance-id, so cloud-init runs its first-boot work once. */
export function seedOf(vm: VirtualMachine, cloudInit: CloudInit, nics: readonly SeedNic[]): Uint8Array {
  const vendorData = vendorDataOf(vm);
  return buildSeed({
    ...(cloudInit.userData === undefined ? {} : { userData: cloudInit.userData }),
    metaData: {
      instanceId: vm.metadata.uid ?? "",
      localHostname: vm.metadata.name,
      publicKeys: cloudInit.publicKeys,
      extra: cloudInit.metaData,
    },
    networkConfig: networkConfigFor(nics),
    ...(vendorData === undefined ? {} : { vendorData }),
  });
}

function vendorDataOf({ metadata, spec }: VirtualMachine): string | undefined {
  const own = spec.userData?.vendorData?.inline;
  if (metadata.labels?.[clonedByLabel] === undefined) return own;
  if (own === undefined) return newMachineId;
  return `#cloud-config-archive\n${JSON.stringify([{ content: newMachineId }, { content: own }])}\n`;
}

/**
 * Once for each instance: the disks of a clone hold the machine-id of what it was made from, which cloud-init leaves as it is. What runs
 * already keeps the old one until the next boot, but for two: journalctl looks for the journal under the new one, and systemd-networkd may have
 * made its DHCP identifier of the old one (DUID type 2), for which it was given the address of the source. Guests that listen to
 * `dhcp-identifier` (see network-config.ts in the images package) do not come so far.
 */
const newMachineId = `#cloud-boothook
#!/bin/sh
exec cloud-init-per instance vivarium-machine-id sh -c '
  rm -f /etc/machine-id
  [ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
  systemd-machine-id-setup || dbus-uuidgen --ensure=/etc/machine-id
  systemctl try-restart systemd-journald
  if grep -qs "^CLIENTID=ff........0002" /run/systemd/netif/leases/*; then
    systemctl restart systemd-networkd
    /lib/systemd/systemd-networkd-wait-online --timeout=60
  fi
'
`;

/** Inline text wins. A Secret holds it under one of `keys`, or as its only entry. */
function textOf(
  vm: VirtualMachine,
  from: { readonly inline?: string; readonly secretRef?: { readonly name: string }; readonly keys: readonly string[] },
  { sources, problems }: { readonly sources: CloudInitSources; readonly problems: Problem[] },
): string | undefined {
  if (from.inline !== undefined) return from.inline;
  if (from.secretRef === undefined) return undefined;
  const key = secretKey(vm, from.secretRef.name);
  const data = sources.secret(key)?.data;
  const missing = (message: string): undefined => void problems.push({ reason: "SecretNotFound", message });
  if (sources.secret(key) === undefined) return missing(`Secret "${key.namespace}/${key.name}" does not exist`);
  const entries = Object.entries(data ?? {});
  const named = from.keys.map((name) => data?.[name]).find((value) => value !== undefined);
  const value = named ?? (entries.length === 1 ? entries[0]?.[1] : undefined);
  if (value === undefined) {
    const found = entries.length === 0 ? "none" : entries.map(([name]) => `"${name}"`).join(", ");
    const wanted = from.keys.map((name) => `"${name}"`).join(" or ");
    return missing(`Secret "${key.namespace}/${key.name}" has no key ${wanted}: found ${found}`);
  }
  return Buffer.from(value, "base64").toString("utf8");
}

function metaDataOf(text: string | undefined, problems: Problem[]): Readonly<Record<string, unknown>> {
  if (text === undefined || text.trim() === "") return {};
  const refuse = (why: string): Record<string, unknown> => {
    problems.push({ reason: "InvalidUserData", message: `spec.metaData.cloudInit: ${why}` });
    return {};
  };
  try {
    const value: unknown = parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    return refuse("expected a YAML mapping such as `local-hostname: web-1`");
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function publicKeysOf(sshKeys: ConfigMap | undefined): readonly string[] {
  const lines = Object.values(sshKeys?.data ?? {}).flatMap((text) => text.split("\n").map((line) => line.trim()));
  return [...new Set(lines.filter((line) => line !== "" && !line.startsWith("#")))];
}

function secretKey(vm: VirtualMachine, name: string): Required<ObjectKey> {
  return { namespace: vm.metadata.namespace ?? "default", name };
}
