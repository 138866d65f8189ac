// Interfaces of running VMs: plugged in, let go, rewired, limited, filtered. What is changed is changed in the running domain and in its
// definition, so that the next start finds the same.

import { DomainModificationImpact, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { Bandwidth, CallOptions, NicDefinition, NicLimits, NicRole, VmIdentity } from "@vivarium/provider";
import { nicElement } from "../domain/nics.ts";
import type { NicView } from "../domain/nics.ts";
import { onRunning } from "../domain/running.ts";
import type { FactSource } from "../host-facts.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { element, renderXml } from "../xml/element.ts";
import { refusalOfNic } from "./check-nic.ts";
import type { FilterStore } from "./filters.ts";
import type { HostNics } from "./host-nics.ts";
import type { ShapingProbe } from "./shaping.ts";

export interface NicParts {
  readonly host: LibvirtHost;
  readonly facts: FactSource;
  readonly hostNics: HostNics;
  readonly filters: FilterStore;
  readonly shaping: ShapingProbe;
}

const { LIVE, CONFIG } = DomainModificationImpact;

export function createNics({ host, facts, hostNics, filters, shaping }: NicParts): NicRole {
  async function requireNic(vm: VmIdentity, nic: NicDefinition, options: CallOptions | undefined): Promise<void> {
    const { hostname } = await facts.get(options);
    const action = `give VM "${vm.name}" NIC "${nic.name}"`;
    const refusal = await host.attempt(
      action,
      (libvirt) => refusalOfNic(nic, { libvirt, hostname, isLocal: host.isLocal, shaping, options }),
      options,
    );
    if (refusal !== undefined) throw new ProviderError(refusal.code, `Cannot ${action}: ${refusal.why}`);
  }

  return {
    async listMacs(options) {
      const domains = await host.attempt("list MAC addresses", (libvirt) => hostNics.list(libvirt, options), options);
      return domains.flatMap(({ domain, uid, nics }) =>
        [...new Set(nics.map(({ mac }) => mac))].map((mac) => ({ mac, domain, uid })),
      );
    },

    async attachNic(vm, nic, options) {
      const action = `attach NIC "${nic.name}" to`;
      await requireNic(vm, nic, options);
      await filters.changing({ uid: vm.uid, nics: [nic], options }, () =>
        onRunning(vm, { host, action, options }, async ({ libvirt, domain, live, config }) => {
          const isThis = ({ mac }: NicView): boolean => mac === nic.mac;
          if (live.nics.some(isThis)) return;
          // Where only the next start would have had it, it is plugged in now.
          const before = config.nics.find(isThis);
          if (before !== undefined) await detach(libvirt, { domain, nic: before, flags: CONFIG, options });
          const xml = renderXml(nicElement(nic));
          await libvirt.domainAttachDeviceFlags(domain, xml, { ...options, flags: LIVE | CONFIG });
        }),
      );
    },

    async requestNicDetach(vm, mac, options) {
      const action = `detach the NIC with MAC address ${mac} from`;
      await filters.changing({ uid: vm.uid, nics: [], options }, () =>
        onRunning(vm, { host, action, options }, async ({ libvirt, domain, live, config }) => {
          const kept = config.nics.find((nic) => nic.mac === mac);
          // First what the next start has: it needs nobody's consent.
          if (kept !== undefined) await detach(libvirt, { domain, nic: kept, flags: CONFIG, options });
          const plugged = live.nics.find((nic) => nic.mac === mac);
          if (plugged !== undefined) await detach(libvirt, { domain, nic: plugged, flags: LIVE, options });
        }),
      );
    },

    async tuneNic(vm, nic, options) {
      const action = `change NIC "${nic.name}" of`;
      await requireNic(vm, nic, options);
      await filters.changing({ uid: vm.uid, nics: [nic], options }, () =>
        onRunning(vm, { host, action, options }, async ({ libvirt, domain, live, config }) => {
          const isThis = ({ mac }: NicView): boolean => mac === nic.mac;
          const plugged = live.nics.find(isThis);
          if (plugged === undefined) {
            throw new ProviderError("NotFound", `Cannot ${action} VM "${vm.name}": its domain has no such NIC`);
          }
          for (const [view, flags] of [
            [plugged, LIVE],
            [config.nics.find(isThis), CONFIG],
          ] as const) {
            if (view === undefined) continue;
            await libvirt.domainUpdateDeviceFlags(domain, updateOf(nic, view), { ...options, flags });
          }
          const flags = config.nics.some(isThis) ? LIVE | CONFIG : LIVE;
          if (isSameLimits(plugged.limits, nic.limits ?? {})) return;
          const limits = { device: nic.mac, parameters: parametersOf(nic.limits ?? {}) };
          await libvirt.domainSetInterfaceParameters(domain, limits, { ...options, flags });
        }),
      );
    },
  };
}

/** All that can be changed is as in the definition; the rest, and the limits, as they are. */
function updateOf(nic: NicDefinition, view: NicView): string {
  const { limits: _limits, mtu: _mtu, ...wanted } = nic;
  const { address, alias, model, mtu, limits } = view;
  const changed: NicDefinition = {
    ...wanted,
    limits,
    model: model ?? nic.model,
    ...(mtu === undefined ? {} : { mtu }),
  };
  return renderXml(nicElement(changed, { address, alias }));
}

/** All six: 0 lifts what is not limited. */
function parametersOf({ inbound, outbound }: NicLimits): Readonly<Record<string, number>> {
  const one = (way: "inbound" | "outbound", limit: Bandwidth | undefined): Readonly<Record<string, number>> => ({
    [`${way}.average`]: limit?.averageKBPerSecond ?? 0,
    [`${way}.peak`]: limit?.peakKBPerSecond ?? 0,
    [`${way}.burst`]: limit?.burstKiB ?? 0,
  });
  return { ...one("inbound", inbound), ...one("outbound", outbound) };
}

function isSameLimits(a: NicLimits, b: NicLimits): boolean {
  const [first, second] = [parametersOf(a), parametersOf(b)];
  return Object.keys(first).every((key) => first[key] === second[key]);
}

async function detach(
  libvirt: Libvirt,
  {
    domain,
    nic,
    flags,
    options,
  }: {
    readonly domain: Domain;
    readonly nic: NicView;
    readonly flags: number;
    readonly options: CallOptions | undefined;
  },
): Promise<void> {
  const xml = renderXml(
    element("interface", { type: nic.type }, [
      element("mac", { address: nic.mac }),
      element("source", nic.type === "network" ? { network: nic.network } : { bridge: nic.bridge }),
    ]),
  );
  try {
    await libvirt.domainDetachDeviceFlags(domain, xml, { ...options, flags });
  } catch (error) {
    // Gone since; or the guest was asked before and is not done.
    if (isLibvirtError(error, "DEVICE_MISSING")) return;
    throw error;
  }
}
