// How a snapshot is taken: chosen from what this libvirt and QEMU can do, what the VM is, and what is asked. A refusal says why. Pure.

import { ProviderError } from "@vivarium/provider";
import type { ProviderErrorCode, SnapshotConsistency, SnapshotMethod, SnapshotRequest } from "@vivarium/provider";

export interface SnapshotSubject {
  readonly isOn: boolean;
  /** Where it is neither running nor paused, nothing can be taken. */
  readonly power: string;
  /** Of a VM that is off: its next start goes on from there. */
  readonly hasSavedMemory: boolean;
  readonly agentConnected: boolean;
  readonly firmware: "BIOS" | "UEFI";
  readonly hasTpm: boolean;
  /** The VM's own disks that are written. */
  readonly own: readonly string[];
  /** Volumes with a life of their own that are written. */
  readonly volumes: readonly { readonly disk: string; readonly format: string }[];
  /** Names of disks that hold files which nobody here made. */
  readonly strange: readonly string[];
  /** Methods of the snapshots that there are. */
  readonly has: ReadonlySet<SnapshotMethod>;
}

export interface SnapshotPlan {
  readonly method: SnapshotMethod;
  readonly consistency: SnapshotConsistency;
}

interface Refusal {
  readonly code: ProviderErrorCode;
  readonly why: string;
}

export function planSnapshot(vm: string, subject: SnapshotSubject, request: SnapshotRequest): SnapshotPlan {
  const general = refusalOfAny(subject, request);
  const methods = request.method === undefined ? (["external", "internal"] as const) : [request.method];
  const refusals: Refusal[] = general === undefined ? [] : [general];
  if (general === undefined) {
    for (const method of methods) {
      const refusal = method === "external" ? refusalOfExternal(subject, request) : refusalOfInternal(subject, request);
      if (refusal === undefined) return { method, consistency: consistencyOf(subject, request) };
      refusals.push(refusal);
    }
  }
  const why = refusals.map((refusal) => refusal.why).join("; ");
  throw new ProviderError(refusals[0]?.code ?? "Unsupported", `Cannot take a snapshot of VM "${vm}": ${why}`);
}

function refusalOfAny(subject: SnapshotSubject, request: SnapshotRequest): Refusal | undefined {
  const { isOn, power, own, strange, agentConnected, hasSavedMemory } = subject;
  if (isOn && power !== "running" && power !== "paused") {
    return refuse("Conflict", `its domain is "${power}", expected "running", "paused" or "off"`);
  }
  if (strange.length > 0) {
    return refuse(
      "Conflict",
      `somebody else put files under its disks ${strange.join(", ")} (a snapshot by other means?): merge those first`,
    );
  }
  if (own.length === 0) return refuse("Unsupported", "it has no disk of its own");
  if (hasSavedMemory) {
    return refuse(
      "Conflict",
      "its memory is saved to disk and knows only its present files: start it, or discard that",
    );
  }
  if (isOn && !request.memory && request.quiesce === "required") {
    if (!agentConnected) {
      return refuse("Conflict", "its file systems cannot be held still: the guest agent is not connected");
    }
    if (power === "paused") return refuse("Conflict", "its file systems cannot be held still: it is paused");
  }
  return undefined;
}

function refusalOfExternal(subject: SnapshotSubject, { memory }: SnapshotRequest): Refusal | undefined {
  const { has, isOn, hasTpm, volumes } = subject;
  const withMemory = isOn && memory;
  if (has.has("internal")) {
    return refuse("Conflict", "it has snapshots inside its disks' files, with which external ones do not mix");
  }
  if (hasTpm && !withMemory) {
    return refuse("Unsupported", "the state of its TPM is only kept together with the memory of a VM that runs");
  }
  if (withMemory && volumes.length > 0) {
    const names = volumes.map(({ disk }) => disk).join(", ");
    return refuse(
      "Unsupported",
      `it writes to Volumes (${names}), which have a life of their own: brought back, its memory would not fit to what is on them. Detach them, or leave the memory out`,
    );
  }
  return undefined;
}

function refusalOfInternal(subject: SnapshotSubject, { memory }: SnapshotRequest): Refusal | undefined {
  const { has, isOn, firmware, hasTpm, volumes } = subject;
  const not = (why: string): Refusal => refuse("Unsupported", `inside the disks' files it cannot be: ${why}`);
  if (has.has("external")) {
    return refuse("Conflict", "it has external snapshots, with which those inside the disks' files do not mix");
  }
  // libvirt refuses: the firmware's variables are a raw file, which cannot hold a snapshot.
  if (firmware === "UEFI") return not("UEFI firmware keeps its variables in a raw file");
  if (isOn && !memory) return not("QEMU takes no snapshot of the disks alone while the VM runs");
  if (!isOn && hasTpm) return not("the state of its TPM would be left out");
  const raw = volumes.filter(({ format }) => format !== "qcow2").map(({ disk }) => disk);
  if (raw.length > 0) return not(`disks ${raw.join(", ")} are not qcow2`);
  return undefined;
}

function consistencyOf({ isOn, power, agentConnected }: SnapshotSubject, request: SnapshotRequest) {
  if (!isOn) return "off";
  if (request.memory) return "memory";
  return request.quiesce !== "never" && agentConnected && power === "running" ? "filesystem" : "crash";
}

function refuse(code: ProviderErrorCode, why: string): Refusal {
  return { code, why };
}
