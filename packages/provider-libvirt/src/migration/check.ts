// Everything that stands in the way of a move, found at once and before anything of the VM is touched.

import { CpuCompareResult, DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import type {
  CallOptions,
  MoveCheck,
  MoveObstacle,
  MoveObstacleReason,
  MoveOutlook,
  MoveWish,
  VmIdentity,
} from "@vivarium/provider";
import { findDomain, findOwnDomain } from "../domain/lookup.ts";
import type { OwnDomain } from "../domain/lookup.ts";
import { parseDomainCapabilities } from "../capabilities-xml.ts";
import type { DomainCapabilitiesView } from "../capabilities-xml.ts";
import { isBridge } from "../network/host-network.ts";
import { nvramPathOf } from "../domain/nvram-path.ts";
import { sourceOfNic } from "../domain/nics.ts";
import type { NicView } from "../domain/nics.ts";
import { find, findAll, parseXml, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import { reachOf } from "./address.ts";
import { byStorage } from "./check-storage.ts";
import { isOneFile } from "./nvram.ts";
import { inMiB, obstacle } from "./obstacle.ts";
import type { Pair } from "./obstacle.ts";
import { whyNoPostCopy } from "./post-copy.ts";
import { isSharedPool } from "./shared-storage.ts";
import { partsOf } from "./target.ts";
import type { MigrationParts } from "./target.ts";

export async function checkMove(
  vm: VmIdentity,
  wish: MoveCheck,
  { here, options }: { readonly here: MigrationParts; readonly options: CallOptions | undefined },
): Promise<MoveOutlook> {
  const pair: Pair = { here, there: partsOf(wish.to), options };
  const own = await here.host.attempt(
    `look at VM "${vm.name}"`,
    (libvirt) => findOwnDomain(libvirt, { vm, options, action: "move" }),
    options,
  );
  if (own === undefined) return hopeless("NotDefined", "it has no domain: nothing was made of it yet");
  if (await isSameHost(pair)) {
    return hopeless("SameHost", "it is on that host already");
  }
  if (vm.adoptedUuid !== undefined) {
    return hopeless("Unsupported", "its domain was adopted: what it is made of is not known here");
  }
  const isShared = await isSharedPool(here.pool, pair.there.pool, options);
  const isCopied = wish.copyStorage === true || !isShared;
  const obstacles = await Promise.all([
    byState(own, { mode: wish.mode, pair }),
    byPlace(vm, pair),
    byMachine(own, { mode: wish.mode, pair }),
    byNetworks(own.view.nics, pair),
    byWay(wish, pair),
    byNvram(own, { mode: wish.mode, pair }),
    byStorage(vm, own, { copyStorage: wish.copyStorage, isShared, isCopied, pair }),
  ]);
  return { storage: isCopied ? "copied" : "shared", obstacles: obstacles.flat() };
}

function hopeless(reason: MoveObstacleReason, message: string): MoveOutlook {
  return { storage: "shared", obstacles: [obstacle(reason, message)] };
}

async function isSameHost({ here, there, options }: Pair): Promise<boolean> {
  const [one, other] = await Promise.all([here.facts.get(options), there.facts.get(options)]);
  return one.details.uuid !== undefined && one.details.uuid === other.details.uuid;
}

async function byState(
  { domain, power }: OwnDomain,
  { mode, pair }: { readonly mode: MoveWish["mode"]; readonly pair: Pair },
): Promise<readonly MoveObstacle[]> {
  const found: MoveObstacle[] = [];
  const isMovable = power.power === "running" || power.power === "paused";
  if (mode === "live" && !isMovable) {
    found.push(obstacle("MachineNotRunning", `its domain is "${power.power}", expected "running" or "paused"`));
  }
  if (mode === "offline" && power.power !== "off") {
    found.push(obstacle("MachineRunning", `its domain is "${power.power}", expected "off"`));
  }
  await pair.here.host.attempt("look at what libvirt keeps of the domain", async (libvirt) => {
    if (power.power === "off" && (await libvirt.domainHasManagedSaveImage(domain, pair.options))) {
      const message =
        "its memory is saved in a file of that host: let it go on first, or throw the memory away (viv discard-memory)";
      found.push(obstacle("SavedMemory", message));
    }
    const inside = await libvirt.domainListAllSnapshots(domain, pair.options);
    if (inside.length > 0) {
      const message = `${inside.length} snapshots are kept inside its disks, which libvirt moves with no domain: delete them first`;
      found.push(obstacle("SnapshotsInside", message));
    }
  });
  return found;
}

/** How its memory gets there. */
async function byWay({ mode, postCopy }: MoveCheck, pair: Pair): Promise<readonly MoveObstacle[]> {
  if (mode === "offline") return [];
  const { here, there, options } = pair;
  const { hostname } = await there.facts.get(options);
  const reach = await reachOf({ from: here.host, to: there.host, hostname });
  const why = postCopy === true ? await whyNoPostCopy(there.host) : undefined;
  return [
    ...(reach.kind === "nowhere"
      ? [
          obstacle(
            "AddressMissing",
            `host "${hostname}": ${reach.why}: give it a migrationAddress in spec.hosts of its Provider`,
          ),
        ]
      : []),
    ...(why === undefined ? [] : [obstacle("PostCopyUnsupported", `host "${hostname}" ${why}`)]),
  ];
}

/** A live move takes along what the guest sees of them. */
async function byNvram(
  { view }: OwnDomain,
  { mode, pair: { here, there, options } }: { readonly mode: MoveWish["mode"]; readonly pair: Pair },
): Promise<readonly MoveObstacle[]> {
  if (mode === "live" || !view.isEfi) return [];
  const nvram = nvramPathOf(view, here.host);
  if (nvram === undefined) {
    const message = "where libvirt of a session keeps its firmware's variables is not known: start it and move it live";
    return [obstacle("DeviceNotMovable", message)];
  }
  if (!(await isOneFile(nvram, { from: here.host, to: there.host, options }))) return [];
  const message = `its firmware's variables (${nvram}) lie where both hosts see them, and would go with its definition here: start it and move it live`;
  return [obstacle("StorageDiffers", message)];
}

async function byPlace(vm: VmIdentity, { there, options }: Pair): Promise<readonly MoveObstacle[]> {
  const found = await there.host.attempt(
    `look for a domain like VM "${vm.name}"`,
    (libvirt) => findDomain(libvirt, { vm, options }),
    options,
  );
  if (found.kind === "absent") return [];
  const whose = found.kind === "own" ? "left from an earlier move" : "not this VM's";
  return [
    obstacle("NameConflict", `a domain "${found.kind === "own" ? vm.name : found.domain.name}" is there, ${whose}`),
  ];
}

/** The hypervisor and the CPU: the guest goes on in the very machine that it has. */
async function byMachine(
  { domain, view }: OwnDomain,
  { mode, pair }: { readonly mode: MoveWish["mode"]; readonly pair: Pair },
): Promise<readonly MoveObstacle[]> {
  const { here, there, options } = pair;
  const found: MoveObstacle[] = [];
  const [xml, sourceFacts, facts] = await Promise.all([
    here.host.attempt("read the definition", (libvirt) =>
      libvirt.domainGetXmlDesc(domain, {
        ...options,
        flags: mode === "live" ? DomainXmlFlags.MIGRATABLE : DomainXmlFlags.INACTIVE,
      }),
    ),
    here.facts.get(options),
    there.facts.get(options),
  ]);
  const root = parseXml(xml);
  found.push(...byDevices(root, { isOffline: mode === "offline" }));
  if (view.maxMemoryBytes > facts.memoryBytes) {
    const message = `it has ${inMiB(view.maxMemoryBytes)} of memory, host "${facts.hostname}" has ${inMiB(facts.memoryBytes)}`;
    found.push(obstacle("NoSpace", message));
  }
  if (view.maxCpus > facts.maxVcpus) {
    const message = `it has ${view.maxCpus} CPUs, host "${facts.hostname}" gives a guest at most ${facts.maxVcpus}`;
    found.push(obstacle("CPUIncompatible", message));
  }
  const { arch, machine } = find(root, "os", "type")?.attributes ?? {};
  const guest = {
    ...(arch === undefined ? {} : { arch }),
    ...(machine === undefined ? {} : { machine }),
    virtType: view.type,
  };
  const cpu = find(root, "cpu");
  await there.host.attempt(
    "ask the host what it can run",
    async (libvirt) => {
      try {
        const can = parseDomainCapabilities(await libvirt.connectGetDomainCapabilities(guest, options));
        found.push(...byFirmware(root, { can, hostname: facts.hostname }));
      } catch (error) {
        if (!isLibvirtError(error, "INVALID_ARG", "CONFIG_UNSUPPORTED")) throw error;
        const message = `host "${facts.hostname}" (${facts.version}) has no ${view.type} machine "${machine ?? ""}", which it was made as on ${sourceFacts.version}`;
        found.push(obstacle("HypervisorTooOld", message));
        return;
      }
      const refusal = cpu && (await byCpu(cpu, { libvirt, guest, pair }));
      if (refusal !== undefined) {
        found.push(obstacle("CPUIncompatible", `${refusal} host "${facts.hostname}"`));
      }
    },
    options,
  );
  return found;
}

/** As libvirt of the other host finds them: a guest goes on with the very file of its firmware. */
function byFirmware(
  root: XmlElement,
  { can, hostname }: { readonly can: DomainCapabilitiesView; readonly hostname: string },
): readonly MoveObstacle[] {
  const isChosenByLibvirt = find(root, "os")?.attributes["firmware"] === "efi";
  const loader = find(root, "os", "loader")?.text.trim();
  const isMissing = loader !== undefined && loader !== "" && !can.firmwareFiles.includes(loader);
  return [
    ...(isChosenByLibvirt && !can.uefi ? [obstacle("FirmwareMissing", `host "${hostname}" has no UEFI firmware`)] : []),
    ...(isMissing
      ? [obstacle("FirmwareMissing", `host "${hostname}" has no firmware ${loader}, which it was made with`)]
      : []),
    ...(find(root, "devices", "tpm") !== undefined && !can.tpm
      ? [obstacle("DeviceNotMovable", `host "${hostname}" has no emulated TPM (swtpm)`)]
      : []),
  ];
}

async function byCpu(
  cpu: XmlElement,
  {
    libvirt,
    guest,
    pair: { here, options },
  }: {
    readonly libvirt: Libvirt;
    readonly guest: { readonly arch?: string; readonly machine?: string; readonly virtType: string };
    readonly pair: Pair;
  },
): Promise<string | undefined> {
  if (cpu.attributes["mode"] === "host-passthrough") {
    const host = await here.host.attempt("read the host's CPU", (source) => source.connectGetCapabilities(options));
    const hostCpu = find(parseXml(host), "host", "cpu");
    if (hostCpu === undefined) return undefined;
    const same = await libvirt.connectCompareHypervisorCpu(renderXml(hostCpu), guest, options);
    return same === CpuCompareResult.IDENTICAL
      ? undefined
      : "it has the CPU of its host as it is, and another one is in (give its VMClass a CPU model that both have)";
  }
  // One that libvirt does not check at the start, it does not check here either: a model by name is there or not.
  const model = find(cpu, "model")?.text ?? "";
  if (model === "") return undefined;
  const result = await libvirt.connectCompareHypervisorCpu(renderXml(cpu), guest, options);
  return result === CpuCompareResult.INCOMPATIBLE ? `its CPU "${model}" cannot be had on` : undefined;
}

function byDevices(root: XmlElement, { isOffline }: { readonly isOffline: boolean }): readonly MoveObstacle[] {
  const found: MoveObstacle[] = [];
  const has = (...path: readonly string[]): boolean => findAll(root, ...path).length > 0;
  if (has("devices", "hostdev")) {
    found.push(obstacle("DeviceNotMovable", "it has a device of its host (hostdev): detach it first"));
  }
  if (has("devices", "filesystem")) {
    found.push(obstacle("DeviceNotMovable", "it has a folder of its host (filesystem): detach it first"));
  }
  if (isOffline && has("devices", "tpm")) {
    const message =
      "the state of its TPM lies in files of its host that only a live move takes along: start it and move it live";
    found.push(obstacle("DeviceNotMovable", message));
  }
  return found;
}

async function byNetworks(nics: readonly NicView[], { there, options }: Pair): Promise<readonly MoveObstacle[]> {
  const { hostname } = await there.facts.get(options);
  const refusals = await Promise.all(
    nics.map(async (nic): Promise<string | undefined> => {
      const source = sourceOfNic(nic);
      if (source === undefined) return undefined;
      if ("bridge" in source) {
        return !there.host.isLocal || (await isBridge(source.bridge)) ? undefined : `has no bridge "${source.bridge}"`;
      }
      return there.host.attempt("look at the networks there", (libvirt) => byNetwork(libvirt, source.network, options));
    }),
  );
  return [...new Set(refusals)].flatMap((refusal) =>
    refusal === undefined ? [] : [obstacle("NetworkMissing", `host "${hostname}" ${refusal}`)],
  );
}

async function byNetwork(
  libvirt: Libvirt,
  name: string,
  options: CallOptions | undefined,
): Promise<string | undefined> {
  try {
    const network = await libvirt.networkLookupByName(name, options);
    return (await libvirt.networkIsActive(network, options)) ? undefined : `has network "${name}", which is not active`;
  } catch (error) {
    if (isLibvirtError(error, "NO_NETWORK")) return `has no network "${name}"`;
    throw error;
  }
}
