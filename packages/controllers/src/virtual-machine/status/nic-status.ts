// What a VM's status says about its interfaces: which the guest has, how they are, and what is not as declared and why. Pure.

import type { VirtualMachineStatus } from "@vivarium/api";
import type { Bandwidth, GuestAddress, NicDefinition, NicLimits, NicSource, VmDefinition } from "@vivarium/provider";
import { detaching, failedStep, failureText, no, notComparable } from "./hot-status.ts";
import type { HotReport, Judgement } from "./hot-status.ts";
import type { StepFailure } from "../memory.ts";
import { differencesOf, ownNics, surplusNics } from "../plan/nic-plan.ts";
import type { Problem, Resolved, Seen } from "../plan/input.ts";
import { changedNics } from "../applied-nics.ts";
import type { VmRecord } from "../record.ts";

export interface NicReport extends HotReport {
  readonly definition: Resolved<VmDefinition>;
  readonly record: VmRecord;
  readonly addresses: readonly GuestAddress[];
  /** By key of the step. */
  readonly failuresByKey: ReadonlyMap<string, StepFailure>;
}

type Present = Extract<Seen, { kind: "present" }>;
type Networks = NonNullable<VirtualMachineStatus["networks"]>;

export function networksOfStatus(seen: Present, report: NicReport): Networks {
  const { definition, record, addresses, detachAskedAtMs } = report;
  const wanted = definition.ok ? definition.value.networks : undefined;
  const own = ownNics(seen, record);
  const there = own.map((nic): Networks[number] => {
    const shall = wanted?.find(({ mac }) => mac === nic.mac);
    const isGoing = wanted !== undefined && shall === undefined && detachAskedAtMs.has(nic.mac);
    const ips = addresses.filter(({ mac }) => mac?.toLowerCase() === nic.mac).map(({ ip }) => ip);
    const limits = limitsOf(nic.limits);
    const message = shall && messageOf(shall, differencesOf(nic, shall), { seen, report });
    return {
      name: nic.name,
      mac: nic.mac,
      state: isGoing ? "Detaching" : "Attached",
      link: nic.isLinkUp ? "Up" : "Down",
      ...(nic.source === undefined ? {} : { source: sourceText(nic.source) }),
      ...(nic.device === undefined ? {} : { device: nic.device }),
      ...(ips.length === 0 ? {} : { ips: [...new Set(ips)] }),
      ...(limits === undefined ? {} : { limits }),
      ...(nic.isIsolated ? { isolated: true } : {}),
      ...(nic.filter === undefined ? {} : { filtered: true }),
      ...(message === undefined ? {} : { message }),
    };
  });
  const missing = (wanted ?? [])
    .filter(({ mac }) => !own.some((nic) => nic.mac === mac))
    .map((nic): Networks[number] => {
      const failure = report.failuresByKey.get(`AttachNic/${nic.mac}`) ?? report.failuresByKey.get("AllocateMacs");
      const message = failure === undefined ? "Not plugged in yet" : failureText(failure);
      return { name: nic.name, mac: nic.mac, state: "Missing", message };
    });
  return [...there, ...missing];
}

/** Why an interface is not as declared. */
function messageOf(
  nic: NicDefinition,
  differences: readonly string[],
  { seen, report }: { readonly seen: Present; readonly report: NicReport },
): string | undefined {
  const parts: string[] = [];
  if (differences.length > 0) {
    const failure = report.failuresByKey.get(`TuneNic/${nic.mac}`);
    const isOff = seen.power === "off" || seen.power === "crashed";
    const why = failure === undefined ? (isOff ? "set at the next start" : "being changed") : failureText(failure);
    parts.push(`Not as declared: ${differences.join(", ")} (${why})`);
  }
  const pending = changedNics(report.record, nic);
  if (pending.length > 0) parts.push(`Changed when the VM is next off: ${pending.join(", ")}`);
  return parts.length === 0 ? undefined : parts.join(". ");
}

const addressProblems: ReadonlySet<Problem["reason"]> = new Set(["AddressInUse", "NetworkNotFound", "NetworkNotReady"]);

export function networksCondition(seen: Present, report: NicReport): Judgement {
  const { definition, record } = report;
  if (!definition.ok) {
    const problem = definition.problems.find(({ reason }) => addressProblems.has(reason));
    return problem === undefined ? notComparable : no(problem.reason, problem.message);
  }
  const failed = failedStep(report);
  if (failed !== undefined) return failed;
  const surplus = surplusNics(seen, { record, definition: definition.value });
  const going = detaching(
    surplus.map(({ mac, name }) => ({ key: mac, name })),
    { ...report, what: "interface", help: "see whether its system supports that" },
  );
  if (going !== undefined) return going;
  const missing = definition.value.networks.filter(({ mac }) => !seen.nics.some((nic) => nic.mac === mac));
  if (missing.length > 0) return no("NotAttached", `Not plugged in yet: ${missing.map(({ name }) => name).join(", ")}`);
  return { status: "True", reason: "AsDeclared", message: "The VM has the interfaces that it shall have" };
}

function limitsOf({ inbound, outbound }: NicLimits): Networks[number]["limits"] {
  if (inbound === undefined && outbound === undefined) return undefined;
  const average = (name: string, limit: Bandwidth | undefined): Readonly<Record<string, number>> =>
    limit === undefined ? {} : { [name]: limit.averageKBPerSecond };
  return { ...average("ingressKBPerSecond", inbound), ...average("egressKBPerSecond", outbound) };
}

function sourceText(source: NicSource): string {
  return "network" in source ? `network/${source.network}` : `bridge/${source.bridge}`;
}
