// Where libvirt keeps the variables of a domain's firmware. Where it chose the firmware itself it names that file only while the domain runs
// (seen of libvirt 9.0); of one that is off it is where libvirt puts it by its own rule.
// https://gitlab.com/libvirt/libvirt/-/blob/v9.0.0/src/qemu/qemu_domain.c (qemuDomainNVRAMPathFormat)

import type { LibvirtHost } from "../libvirt-host.ts";
import type { DomainView } from "./view.ts";

const systemFolder = "/var/lib/libvirt/qemu/nvram";

/** Undefined for BIOS, and off a session, whose folder nobody tells. */
export function nvramPathOf(
  { name, nvram, isEfi }: Pick<DomainView, "name" | "nvram" | "isEfi">,
  { config: { endpoint } }: Pick<LibvirtHost, "config">,
): string | undefined {
  if (nvram !== undefined || !isEfi) return nvram;
  return new URL(endpoint).pathname === "/system" ? `${systemFolder}/${name}_VARS.fd` : undefined;
}
