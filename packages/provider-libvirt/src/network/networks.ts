// Networks: looked at, made, changed while they run, removed. A network that was made for a VirtualNetwork has that object's uid as its
// UUID, so that a repeat after a crash finds its own work, and so that nobody else's is ever touched.

import { isLibvirtError, NetworkUpdateFlags, NetworkXmlFlags } from "@vivarium/libvirt";
import type { Libvirt, Network } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type {
  CallOptions,
  DhcpLease,
  NetworkDefinition,
  NetworkObservation,
  NetworkRef,
  NetworkRole,
} from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { checkNetwork } from "./network-check.ts";
import { buildNetworkXml, isOnHostBridge, parseNetworkXml } from "./network-xml.ts";
import type { NetworkView } from "./network-xml.ts";
import { cutOffNics, portsOf, reconnectNic } from "./reconnect.ts";
import { settingUpdates } from "./settings.ts";
import type { NetworkUsers } from "./users.ts";

interface Call {
  readonly libvirt: Libvirt;
  readonly options: CallOptions | undefined;
}

type MadeRef = Extract<NetworkRef, { kind: "made" }>;

export function createNetworks({ host, users }: { host: LibvirtHost; users: NetworkUsers }): NetworkRole {
  const run = <T>(action: string, options: CallOptions | undefined, act: (call: Call) => Promise<T>): Promise<T> =>
    host.attempt(action, (libvirt) => act({ libvirt, options }), options);
  return {
    observe: (ref, options) => run(`look at network "${ref.name}"`, options, (call) => observe(call, ref, users)),

    check: (definition, options) =>
      run(`make network "${definition.name}"`, options, ({ libvirt }) =>
        checkNetwork(libvirt, definition, { isLocal: host.isLocal, options }),
      ),

    create: (definition, options) =>
      run(`make network "${definition.name}"`, options, (call) => create(call, definition)),

    update: (definition, options) =>
      run(`change network "${definition.name}"`, options, (call) => update(call, definition)),

    start: (ref, options) =>
      run(`start network "${ref.name}"`, options, async (call) =>
        start(call, (await require(call, ref, "start")).network),
      ),

    reconnect: (ref, options) =>
      run(`reconnect the machines of network "${ref.name}"`, options, (call) => reconnect(call, ref, users)),

    remove: (ref, options) => run(`remove network "${ref.name}"`, options, (call) => remove(call, ref, users)),
  };
}

type Found =
  | { readonly kind: "absent" }
  | { readonly kind: "foreign"; readonly reason: string }
  /** `view` is of what runs; of the definition where it does not. */
  | { readonly kind: "own"; readonly network: Network; readonly isDefined: boolean; readonly view: NetworkView };

async function lookUp({ libvirt, options }: Call, ref: NetworkRef): Promise<Found> {
  try {
    const network =
      (ref.kind === "made" && (await unlessAbsent(libvirt.networkLookupByUuid(ref.uid, options)))) ||
      (await unlessAbsent(libvirt.networkLookupByName(ref.name, options)));
    if (network === undefined) return { kind: "absent" };
    const isDefined = await libvirt.networkIsPersistent(network, options);
    const view = parseNetworkXml(await libvirt.networkGetXmlDesc(network, options));
    const reason = ref.kind === "made" ? foreignReason(ref, view) : undefined;
    return reason === undefined ? { kind: "own", network, isDefined, view } : { kind: "foreign", reason };
  } catch (error) {
    if (isLibvirtError(error, "NO_NETWORK")) return { kind: "absent" };
    throw error;
  }
}

async function unlessAbsent(looking: Promise<Network>): Promise<Network | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (isLibvirtError(error, "NO_NETWORK")) return undefined;
    throw error;
  }
}

function foreignReason({ uid, name }: MadeRef, view: NetworkView): string | undefined {
  if (view.uuid !== uid) return `its UUID is ${view.uuid}, this network's is ${uid}`;
  if (view.name !== name) return `it is called "${view.name}", expected "${name}"`;
  return undefined;
}

async function observe(call: Call, ref: NetworkRef, users: NetworkUsers): Promise<NetworkObservation> {
  const { libvirt, options } = call;
  const found = await lookUp(call, ref);
  if (found.kind !== "own") return found;
  const { network, view, isDefined } = found;
  try {
    const [isActive, isAutostarted, plugged] = await Promise.all([
      libvirt.networkIsActive(network, options),
      isDefined && libvirt.networkGetAutostart(network, options),
      users.of(libvirt, ref.name, options),
    ]);
    // Asked after the domains: a port that is made in between is no loss.
    const ports = isActive && !isOnHostBridge(view.shape.mode) ? await portsOf(libvirt, network, options) : undefined;
    const hasDhcp = isActive && view.settings.ranges.length + view.settings.leases.length > 0;
    return {
      kind: "present",
      isActive,
      isDefined,
      shape: view.shape,
      settings: { isAutostarted, ...view.settings },
      leases: hasDhcp ? await leasesOf(call, network) : [],
      users: plugged.map((use) => ({
        name: use.domain.name,
        uid: use.domain.uuid,
        ...(cutOffNics(use, { network: ref.name, ports }).length > 0 ? { isCutOff: true as const } : {}),
      })),
    };
  } catch (error) {
    if (isLibvirtError(error, "NO_NETWORK")) return { kind: "absent" };
    throw error;
  }
}

async function leasesOf({ libvirt, options }: Call, network: Network): Promise<readonly DhcpLease[]> {
  const leases = await libvirt.networkGetDhcpLeases(network, options);
  return leases.map(({ address, mac, hostname, expiryTimeSeconds }) => ({
    ip: address,
    ...(mac === undefined ? {} : { mac: mac.toLowerCase() }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(expiryTimeSeconds === 0 ? {} : { expiresAtMs: expiryTimeSeconds * 1000 }),
  }));
}

async function create(call: Call, definition: NetworkDefinition): Promise<void> {
  const { libvirt, options } = call;
  const { name, owner } = definition;
  const found = await lookUp(call, { kind: "made", uid: owner.uid, name });
  if (found.kind === "foreign") {
    const message = `Cannot make network "${name}": the hypervisor has another network there: ${found.reason}`;
    throw new ProviderError("Conflict", message);
  }
  const network =
    found.kind === "own" && found.isDefined
      ? found.network
      : await libvirt.networkDefineXml(buildNetworkXml(definition), options);
  await start(call, network);
  await libvirt.networkSetAutostart(network, definition.settings.isAutostarted, options);
}

async function start({ libvirt, options }: Call, network: Network): Promise<void> {
  if (await libvirt.networkIsActive(network, options)) return;
  try {
    await libvirt.networkCreate(network, options);
  } catch (error) {
    if (!(await libvirt.networkIsActive(network, options))) throw error;
  }
}

async function update(call: Call, definition: NetworkDefinition): Promise<void> {
  const { libvirt, options } = call;
  const { owner, name, settings } = definition;
  const { network, isDefined } = await require(call, { kind: "made", uid: owner.uid, name }, "change");
  // What runs and what the next start has may differ, for somebody may have changed one of them.
  const sides = [
    ...((await libvirt.networkIsActive(network, options)) ? [{ flags: NetworkUpdateFlags.LIVE, xml: 0 }] : []),
    ...(isDefined ? [{ flags: NetworkUpdateFlags.CONFIG, xml: NetworkXmlFlags.INACTIVE }] : []),
  ];
  for (const { flags, xml } of sides) {
    const view = parseNetworkXml(await libvirt.networkGetXmlDesc(network, { ...options, flags: xml }));
    for (const each of settingUpdates(view.settings, settings, { subnets: view.shape.subnets })) {
      await libvirt.networkUpdate(network, each, { ...options, flags });
    }
  }
  if (isDefined) await libvirt.networkSetAutostart(network, settings.isAutostarted, options);
}

async function reconnect(call: Call, ref: NetworkRef, users: NetworkUsers): Promise<void> {
  const { libvirt, options } = call;
  const { network, view } = await require(call, ref, "reconnect");
  const { mode, bridge } = view.shape;
  if (isOnHostBridge(mode) || bridge === undefined) return;
  const plugged = await users.of(libvirt, ref.name, { ...options, isFresh: true });
  const ports = await portsOf(libvirt, network, options);
  users.forget();
  for (const use of plugged) {
    for (const nic of cutOffNics(use, { network: ref.name, ports })) {
      await reconnectNic(libvirt, { use, nic, bridge }, options);
    }
  }
}

async function remove(call: Call, ref: MadeRef, users: NetworkUsers): Promise<void> {
  const { libvirt, options } = call;
  const found = await lookUp(call, ref);
  if (found.kind !== "own") return;
  const plugged = await users.of(libvirt, ref.name, { ...options, isFresh: true });
  if (plugged.length > 0) {
    const names = plugged.map(({ domain }) => domain.name).join(", ");
    throw new ProviderError("Conflict", `Cannot remove network "${ref.name}": it is used by ${names}`);
  }
  const { network, isDefined } = found;
  try {
    if (await libvirt.networkIsActive(network, options)) await libvirt.networkDestroy(network, options);
    if (isDefined) await libvirt.networkUndefine(network, options);
  } catch (error) {
    if (!isLibvirtError(error, "NO_NETWORK")) throw error;
  }
}

async function require(call: Call, ref: NetworkRef, action: string): Promise<Extract<Found, { kind: "own" }>> {
  const found = await lookUp(call, ref);
  if (found.kind === "own") return found;
  throw new ProviderError("NotFound", `Cannot ${action} network "${ref.name}": the hypervisor has none of that name`);
}
