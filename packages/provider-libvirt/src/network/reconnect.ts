// A network that is stopped takes its bridge with it, and starting it makes a bridge with nothing in it: guests run on, and reach nothing until
// they are plugged in again. libvirt knows: an interface that is plugged in has a port of the network, and the ports went with the bridge. It
// plugs in again what changes its bridge, and nothing else, so that each interface is moved to the same bridge by another name, and back.

import { DomainDeviceModifyFlags, isLibvirtError, isUnsupportedCall } from "@vivarium/libvirt";
import type { Libvirt, Network } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";
import { element, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import type { DomainUse, LiveNic } from "./users.ts";

/** The ports of a network that runs; undefined where the server is too old to tell. */
export async function portsOf(
  libvirt: Libvirt,
  network: Network,
  options: CallOptions | undefined,
): Promise<ReadonlySet<string> | undefined> {
  try {
    return new Set((await libvirt.networkListAllPorts(network, options)).map(({ uuid }) => uuid));
  } catch (error) {
    if (isUnsupportedCall(error)) return undefined;
    throw error;
  }
}

/** Interfaces of a VM of ours that were plugged into the network and are not any more. */
export function cutOffNics(
  { isOurs, live }: DomainUse,
  { network, ports }: { readonly network: string; readonly ports: ReadonlySet<string> | undefined },
): readonly LiveNic[] {
  if (!isOurs || ports === undefined) return [];
  return live.filter(
    (nic) => nic.network === network && (nic.isHalfWay === true || (nic.port !== undefined && !ports.has(nic.port))),
  );
}

export async function reconnectNic(
  libvirt: Libvirt,
  { use, nic, bridge }: { readonly use: DomainUse; readonly nic: LiveNic; readonly bridge: string },
  options: CallOptions | undefined,
): Promise<void> {
  const flags = DomainDeviceModifyFlags.LIVE;
  try {
    for (const xml of detourOf(nic, bridge)) {
      await libvirt.domainUpdateDeviceFlags(use.domain, xml, { ...options, flags });
    }
  } catch (error) {
    // It stopped meanwhile, and is plugged in when it starts.
    if (!isLibvirtError(error, "NO_DOMAIN", "OPERATION_INVALID")) throw error;
  }
}

/** The interface on the bridge itself, and on the network again. Pure. */
export function detourOf(nic: LiveNic, bridge: string): readonly string[] {
  const on = (type: "bridge" | "network"): string =>
    renderXml({
      ...nic.element,
      attributes: { ...nic.element.attributes, type },
      children: nic.element.children.map((child): XmlElement =>
        child.name === "source" ? element("source", sourceOf(type)) : child,
      ),
    });
  const sourceOf = (type: "bridge" | "network"): Record<string, string> =>
    type === "bridge" ? { bridge } : { network: nic.network };
  return [on("bridge"), on("network")];
}
