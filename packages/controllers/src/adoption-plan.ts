// Which domains of others become VirtualMachines, under which name and with what spec, and which cannot and why. Pure.

import {
  adoptAnnotation,
  adoptedLabel,
  adoptFilterAnnotation,
  adoptRequestAnnotation,
  VirtualMachine,
} from "@vivarium/api";
import type { Provider, ProviderStatus } from "@vivarium/api";
import type { AdoptableDomain } from "@vivarium/provider";
import { messageOf } from "./steps/problem-of.ts";
import { domainUidOf } from "./virtual-machine/resolve/definition.ts";

type Candidate = NonNullable<NonNullable<ProviderStatus["adoption"]>["candidates"]>[number];

export interface AdoptionFilter {
  /** Anywhere in the domain's name. */
  readonly namePattern?: RegExp;
  readonly powerState?: "on" | "off" | "suspended";
  readonly minCPU?: number;
  readonly maxCPU?: number;
  readonly minMemoryMiB?: number;
  readonly maxMemoryMiB?: number;
  readonly host?: string;
  /** By XML namespace of an element of the domain's metadata: anywhere in what the element says. */
  readonly metadata?: readonly (readonly [string, RegExp])[];
}

export type AdoptionRequest =
  | { readonly kind: "none" }
  | { readonly kind: "invalid"; readonly id: string; readonly message: string }
  | {
      readonly kind: "wanted";
      /** The same for the same wish. */
      readonly id: string;
      readonly mode: "Adopt" | "DryRun";
      readonly filter: AdoptionFilter;
    };

export function adoptionRequestOf(provider: Provider): AdoptionRequest {
  const {
    [adoptAnnotation]: mode,
    [adoptFilterAnnotation]: filter = "",
    [adoptRequestAnnotation]: time = "",
  } = provider.metadata.annotations ?? {};
  if (mode === undefined || mode === "" || mode === "false") return { kind: "none" };
  const id = JSON.stringify([mode, filter, time]);
  if (mode !== "true" && mode !== "dry-run") {
    return { kind: "invalid", id, message: `Annotation ${adoptAnnotation} is "${mode}", expected true or dry-run` };
  }
  const parsed = parseFilter(filter);
  if (typeof parsed === "string") {
    return { kind: "invalid", id, message: `Annotation ${adoptFilterAnnotation}: ${parsed}` };
  }
  return { kind: "wanted", id, mode: mode === "true" ? "Adopt" : "DryRun", filter: parsed };
}

const longestPattern = 256;

/** What is wrong with it, where it is no filter. */
function parseFilter(text: string): AdoptionFilter | string {
  if (text.trim() === "") return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return `no JSON: ${messageOf(error)}`;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "expected an object";
  const filter: { -readonly [Key in keyof AdoptionFilter]: AdoptionFilter[Key] } = {};
  for (const [key, value] of Object.entries(parsed)) {
    switch (key) {
      case "namePattern": {
        const pattern = patternOf(value);
        if (typeof pattern === "string") return `namePattern: ${pattern}`;
        filter.namePattern = pattern;
        break;
      }
      case "powerState": {
        const state = typeof value === "string" ? value.toLowerCase() : value;
        if (state !== "on" && state !== "off" && state !== "suspended")
          return "powerState: expected on, off or suspended";
        filter.powerState = state;
        break;
      }
      case "minCPU":
      case "maxCPU":
      case "minMemoryMiB":
      case "maxMemoryMiB":
        if (typeof value !== "number") return `${key}: expected a number`;
        filter[key] = value;
        break;
      case "host":
        if (typeof value !== "string") return "host: expected the name of a Host";
        filter.host = value;
        break;
      case "metadata": {
        if (typeof value !== "object" || value === null) return "metadata: expected XML namespaces and patterns";
        const entries: [string, RegExp][] = [];
        for (const [uri, text] of Object.entries(value)) {
          const pattern = patternOf(text);
          if (typeof pattern === "string") return `metadata "${uri}": ${pattern}`;
          entries.push([uri, pattern]);
        }
        filter.metadata = entries;
        break;
      }
      default:
        return `there is no "${key}"`;
    }
  }
  return filter;
}

function patternOf(value: unknown): RegExp | string {
  if (typeof value !== "string") return "expected a regular expression";
  if (value.length > longestPattern) return `longer than ${longestPattern} characters`;
  try {
    return new RegExp(value, "u");
  } catch (error) {
    return messageOf(error);
  }
}

export interface FoundDomain {
  readonly host: string;
  readonly domain: AdoptableDomain;
}

export interface AdoptionPlan {
  readonly candidates: readonly Candidate[];
  /** To be created. */
  readonly machines: readonly VirtualMachine[];
  /** Domains that were looked at. */
  readonly seen: number;
}

/** Domains in the order of their names; a domain of which there is a VirtualMachine already is told of, not made again. */
export function planAdoption(
  provider: Provider,
  from: {
    readonly found: readonly FoundDomain[];
    readonly filter: AdoptionFilter;
    /** All there are, of any namespace. */
    readonly machines: readonly VirtualMachine[];
    readonly hasSeveralHosts: boolean;
  },
): AdoptionPlan {
  const { filter, hasSeveralHosts } = from;
  const namespace = provider.metadata.namespace ?? "default";
  const byDomain = new Map(from.machines.map((vm) => [domainUidOf(vm), vm]));
  const taken = new Set(
    from.machines.filter((vm) => vm.metadata.namespace === namespace).map((vm) => vm.metadata.name),
  );
  const found = from.found.filter((each) => isWanted(each, filter)).toSorted(byName);
  const candidates: Candidate[] = [];
  const machines: VirtualMachine[] = [];
  for (const each of found) {
    const vm = byDomain.get(each.domain.uid);
    // Made here, not adopted: nobody asked about those.
    if (vm !== undefined && vm.spec.adopt === undefined) continue;
    const told = { ...factsOf(each.domain), ...(hasSeveralHosts ? { host: each.host } : {}) };
    const reason = vm === undefined ? refusalOf(each.domain) : undefined;
    if (vm !== undefined) candidates.push({ ...told, verdict: "Adopted", virtualMachine: vm.metadata.name });
    else if (reason !== undefined) candidates.push({ ...told, verdict: "Refused", reason });
    else {
      const name = freeName(each.domain, taken);
      taken.add(name);
      candidates.push({ ...told, verdict: "Adoptable", virtualMachine: name });
      machines.push(machineOf(provider, { ...each, name, hasSeveralHosts }));
    }
  }
  return { candidates, machines, seen: from.found.length };
}

function isWanted({ host, domain }: FoundDomain, filter: AdoptionFilter): boolean {
  const { namePattern, powerState, minCPU, maxCPU, minMemoryMiB, maxMemoryMiB, metadata } = filter;
  const memoryMiB = domain.memoryBytes / 1024 ** 2;
  return (
    (filter.host === undefined || filter.host === host) &&
    (namePattern === undefined || namePattern.test(domain.name)) &&
    (powerState === undefined || powerState === powerWord(domain)) &&
    domain.cpus >= (minCPU ?? 0) &&
    domain.cpus <= (maxCPU ?? Number.POSITIVE_INFINITY) &&
    memoryMiB >= (minMemoryMiB ?? 0) &&
    memoryMiB <= (maxMemoryMiB ?? Number.POSITIVE_INFINITY) &&
    (metadata ?? []).every(([uri, pattern]) => {
      const said = domain.metadata[uri];
      return said !== undefined && pattern.test(said);
    })
  );
}

function powerWord({ power }: AdoptableDomain): "on" | "off" | "suspended" {
  switch (power) {
    case "running":
    case "shutting-down":
      return "on";
    case "off":
    case "crashed":
      return "off";
    case "paused":
    case "suspended":
      return "suspended";
  }
}

/** Why a domain cannot be adopted. */
function refusalOf({ isPersistent, owner, uid }: AdoptableDomain): string | undefined {
  if (owner !== undefined) {
    const who = `VM ${owner.namespace}/${owner.name}`;
    return owner.uid === uid
      ? `It was made by Vivarium as ${who}, which is not on this server`
      : `It is adopted as ${who}, which is not on this server. If that is gone for good: virsh metadata ${uid} --uri https://vivarium.dev/libvirt/1 --remove --config (and --live while it runs)`;
  }
  return isPersistent
    ? undefined
    : "It is transient: nothing is left of it when it stops. Define it first (virsh define)";
}

const longestName = 63;

/** A DNS label made of the domain's name; with digits of its UUID where that is taken. */
function freeName({ name, uid }: AdoptableDomain, taken: ReadonlySet<string>): string {
  const label = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  const short = label.slice(0, longestName).replaceAll(/-+$/g, "");
  if (short !== "" && !taken.has(short)) return short;
  return `${label.slice(0, longestName - 9).replaceAll(/-+$/g, "") || "vm"}-${uid.slice(0, 8)}`;
}

function factsOf(domain: AdoptableDomain) {
  return {
    domain: domain.name,
    uuid: domain.uid,
    powerState: powerWord(domain),
    cpu: domain.cpus,
    memoryMiB: Math.floor(domain.memoryBytes / 1024 ** 2),
    disks: domain.disks.length,
    nics: domain.nics.length,
  };
}

/** Where the API sets a least or a most, what is beyond is left out: status says what the machine has. */
function machineOf(
  provider: Provider,
  { domain, name, host, hasSeveralHosts }: FoundDomain & { readonly name: string; readonly hasSeveralHosts: boolean },
): VirtualMachine {
  const memoryMiB = Math.floor(domain.memoryBytes / 1024 ** 2);
  const resources = {
    ...(domain.cpus >= 1 && domain.cpus <= 128 ? { cpu: domain.cpus } : {}),
    ...(memoryMiB >= 128 && memoryMiB <= 1_048_576 ? { memoryMiB } : {}),
  };
  const disks = domain.disks.flatMap(({ target, sizeBytes, isReadOnly }) =>
    sizeBytes === undefined
      ? []
      : [
          {
            name: target,
            sizeGiB: Math.max(1, Math.ceil(sizeBytes / 1024 ** 3)),
            ...(isReadOnly ? { readOnly: true } : {}),
          },
        ],
  );
  const networks = domain.nics.map(({ mac }, index) => ({ name: `nic${index}`, macAddress: mac }));
  return {
    apiVersion: `${VirtualMachine.group}/${VirtualMachine.version}`,
    kind: VirtualMachine.kind,
    metadata: {
      name,
      namespace: provider.metadata.namespace ?? "default",
      labels: { [adoptedLabel]: "true" },
    },
    spec: {
      providerRef: { name: provider.metadata.name },
      adopt: { uuid: domain.uid },
      powerState: domain.isOn ? "On" : "Off",
      ...(Object.keys(resources).length === 0 ? {} : { resources }),
      ...(disks.length === 0 || disks.length > 20 ? {} : { disks }),
      ...(networks.length > 10 ? {} : { networks }),
      ...(hasSeveralHosts ? { placement: { host } } : {}),
    },
  };
}

function byName(a: FoundDomain, b: FoundDomain): number {
  return a.domain.name < b.domain.name ? -1 : a.domain.name > b.domain.name ? 1 : a.host < b.host ? -1 : 1;
}
