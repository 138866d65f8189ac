// What a clone is made from, and whether that is there yet. Pure.

import { findTemplate, formatKey } from "@vivarium/api";
import type { CloneWish, VirtualMachine, VMClone, VMSnapshot } from "@vivarium/api";
import type { CloneSource } from "@vivarium/provider";
import { effectiveProvider } from "../effective-provider.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import { connectionOfVm, hasSeveralHosts, hostOfVm, madeOnOf } from "../vm-host.ts";
import { identityOfTemplate, machineOfTemplate } from "../vm-template/vm-template-record.ts";
import type { ProviderKey } from "../provider-registry.ts";
import type { CloneOrigin } from "./clone-target.ts";
import type { SourceObjects } from "./source-objects.ts";
import type { CloneInput, SourceState } from "./vm-clone-plan.ts";
import type { CloneRecord } from "./vm-clone-record.ts";

interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface ResolvedSource {
  readonly state: SourceState;
  readonly copy: CloneInput["copy"];
  /** `KIND/NAME`. */
  readonly name: string;
  /** Where `state` is ready. */
  readonly origin?: CloneOrigin;
  /** Where disks are copied. */
  readonly from?: { readonly source: CloneSource; readonly connection: ProviderKey };
  /** A snapshot that the spec names, to be recorded before anything is made of it. */
  readonly snapshot?: VMSnapshot;
}

export function resolveSource(
  clone: VMClone,
  {
    wish,
    record,
    objects,
  }: { readonly wish: CloneWish; readonly record: CloneRecord; readonly objects: SourceObjects },
): ResolvedSource {
  const resolved = resolveAny(clone, { wish, record, objects });
  const elsewhere = resolved.origin && otherProvider(clone, resolved.origin.provider);
  return elsewhere === undefined ? resolved : { ...resolved, state: elsewhere };
}

function resolveAny(
  clone: VMClone,
  {
    wish,
    record,
    objects,
  }: { readonly wish: CloneWish; readonly record: CloneRecord; readonly objects: SourceObjects },
): ResolvedSource {
  const { source } = wish;
  const { namespace = "default" } = clone.metadata;
  switch (source?.kind) {
    case undefined:
      return { state: wrong("InvalidSpec", "No source"), copy: "none", name: "" };
    case "vm":
      return resolveMachine({ namespace, name: source.name }, { recorded: record.snapshot, objects });
    case "snapshot":
      return resolveSnapshot({ namespace, name: source.name }, { recorded: record.snapshot, objects });
    case "template":
      return ofTemplate(source.key, objects);
    case "image":
      return ofImage(source.key, { clone, wish, objects });
  }
}

interface Subject {
  /** The snapshot that was recorded before. */
  readonly recorded: { readonly name: string; readonly uid: string } | undefined;
  readonly objects: SourceObjects;
}

export function resolveMachine(key: Key, { recorded, objects }: Subject): ResolvedSource {
  const name = `VirtualMachine/${key.name}`;
  const copy = "before-domain";
  const vm = objects.machine(key);
  const trouble = troubleOf(vm, key);
  if (vm === undefined || trouble !== undefined) return { state: trouble ?? waiting("SourceNotFound", ""), copy, name };
  const snapshot = recorded && objects.snapshot({ ...key, name: recorded.name });
  if (snapshot === undefined || snapshot.metadata.uid !== recorded?.uid) {
    return { state: { kind: "base-due" }, copy, name };
  }
  return ofSnapshot(vm, snapshot, { objects, name });
}

export function resolveSnapshot(key: Key, { recorded, objects }: Subject): ResolvedSource {
  const name = `VMSnapshot/${key.name}`;
  const copy = "before-domain";
  const snapshot = objects.snapshot(key);
  if (snapshot === undefined) {
    return { state: waiting("SourceNotFound", `VMSnapshot "${key.name}" does not exist`), copy, name };
  }
  const machineKey = { namespace: key.namespace, name: snapshot.spec.vmRef.name };
  const vm = objects.machine(machineKey);
  const trouble = troubleOf(vm, machineKey);
  if (vm === undefined || trouble !== undefined) return { state: trouble ?? waiting("SourceNotFound", ""), copy, name };
  if (recorded?.uid !== snapshot.metadata.uid) return { state: { kind: "base-due" }, copy, name, snapshot };
  return ofSnapshot(vm, snapshot, { objects, name });
}

function troubleOf(vm: VirtualMachine | undefined, { name }: Key): SourceState | undefined {
  if (vm === undefined) return waiting("SourceNotFound", `VirtualMachine "${name}" does not exist`);
  if (vm.metadata.deletionTimestamp !== undefined) {
    return waiting("SourceNotFound", `VirtualMachine "${name}" is being deleted`);
  }
  const isMade = readRecord(vm.status).madeOn !== undefined && vm.status?.domain !== undefined;
  return isMade ? undefined : waiting("SourceNotReady", `VirtualMachine "${name}" has not been made yet`);
}

function ofSnapshot(
  vm: VirtualMachine,
  snapshot: VMSnapshot,
  { objects, name }: { readonly objects: SourceObjects; readonly name: string },
): ResolvedSource {
  const copy = "before-domain";
  const { status, metadata } = snapshot;
  const what = `snapshot "${metadata.name}"`;
  if (metadata.deletionTimestamp !== undefined) {
    return { state: waiting("SourceNotFound", `The ${what} is being removed`), copy, name };
  }
  if (status?.phase === "Failed") {
    return { state: wrong("SnapshotFailed", `The ${what} failed: ${status.message ?? ""}`), copy, name };
  }
  if (status?.phase !== "Ready" && status?.phase !== "Expired") {
    const message = status?.message === undefined ? "" : `: ${status.message}`;
    return { state: { kind: "base-waits", message: `The ${what} is being taken${message}` }, copy, name };
  }
  if (status.method === "Internal") {
    const why = `${what} is kept inside the files that the machine writes: clone one of snapshotConfig.method External`;
    return { state: wrong("UnsupportedSource", `The ${why}`), copy, name };
  }
  const key = madeOnOf(vm);
  const provider = key && objects.provider(key);
  const connection = provider && connectionOfVm(vm, provider);
  if (key === undefined || provider === undefined || connection === undefined) {
    const message = `Provider "${key === undefined ? "" : formatKey(key)}" does not exist`;
    return { state: waiting("ProviderNotFound", message), copy, name };
  }
  const { uid = "" } = metadata;
  const host = hasSeveralHosts(provider) ? hostOfVm(vm, provider) : undefined;
  return {
    state: { kind: "ready" },
    copy,
    name,
    from: { source: { kind: "snapshot", vm: identityOf(vm), uid }, connection },
    origin: {
      namespace: vm.metadata.namespace ?? "default",
      spec: vm.spec,
      labels: vm.metadata.labels ?? {},
      name,
      disks: status.disks ?? [],
      baseUid: uid,
      provider: { namespace: key.namespace, name: key.name },
      ...(host === undefined ? {} : { host }),
    },
  };
}

function ofTemplate(key: Key, objects: SourceObjects): ResolvedSource {
  const template = findTemplate(objects.templates(), key);
  const name = `VMTemplate/${template?.metadata.name ?? key.name}`;
  const copy = "before-domain";
  const what = `VMTemplate "${key.namespace}/${template?.metadata.name ?? key.name}"`;
  if (template === undefined) return { state: waiting("SourceNotFound", `${what} does not exist`), copy, name };
  const { status, metadata } = template;
  if (metadata.deletionTimestamp !== undefined) {
    return { state: waiting("SourceNotFound", `${what} is being deleted`), copy, name };
  }
  if (status?.phase === "Failed") {
    return { state: wrong("SourceNotReady", `${what} could not be made: ${status.message ?? ""}`), copy, name };
  }
  if (status?.phase !== "Ready") return { state: waiting("SourceNotReady", `${what} is not ready yet`), copy, name };
  const [namespace = "", providerName = ""] = (status.provider ?? "").split("/");
  const { host } = status;
  const { spec, labels } = machineOfTemplate(template);
  return {
    state: { kind: "ready" },
    copy,
    name,
    from: {
      source: { kind: "disks", owner: identityOfTemplate(template) },
      connection: { namespace, name: providerName, ...(host === undefined ? {} : { host }) },
    },
    origin: {
      namespace: metadata.namespace ?? "default",
      spec,
      labels,
      name,
      disks: (status.disks ?? []).map((disk) => disk.name),
      baseUid: metadata.uid ?? "",
      provider: { namespace, name: providerName },
      ...(host === undefined ? {} : { host }),
    },
  };
}

function ofImage(
  key: Key,
  { clone, wish, objects }: { readonly clone: VMClone; readonly wish: CloneWish; readonly objects: SourceObjects },
): ResolvedSource {
  const name = `VMImage/${key.name}`;
  // A machine of an image is linked to it; a full clone is one that is made independent afterwards.
  const copy = wish.isLinked ? "none" : "after-domain";
  const image = objects.image(key);
  if (image === undefined) {
    const message = `VMImage "${key.namespace}/${key.name}" does not exist`;
    return { state: waiting("SourceNotFound", message), copy, name };
  }
  const { namespace = "default" } = clone.metadata;
  const { providerRef } = clone.spec.target;
  const user = { ...clone, spec: providerRef === undefined ? {} : { providerRef } };
  const provider = effectiveProvider(user, objects.providers());
  if (provider.kind !== "found") {
    return { state: wrong("ProviderNotFound", "spec.target.providerRef is absent: name the Provider"), copy, name };
  }
  return {
    state: { kind: "ready" },
    copy,
    name,
    origin: {
      namespace,
      spec: { imageRef: key },
      labels: {},
      name,
      provider: { namespace: provider.key.namespace, name: provider.key.name },
    },
  };
}

/** Disks are copied on one host. */
function otherProvider({ metadata, spec }: VMClone, on: Key): SourceState | undefined {
  const ref = spec.target.providerRef;
  if (ref === undefined) return undefined;
  const { namespace = metadata.namespace ?? "default", name } = ref;
  if (namespace === on.namespace && name === on.name) return undefined;
  const message = `spec.target.providerRef names Provider "${namespace}/${name}", the source is on "${on.namespace}/${on.name}": clone there, and move the clone afterwards`;
  return wrong("UnsupportedSource", message);
}

function waiting(reason: string, message: string): SourceState {
  return { kind: "waiting", reason, message };
}

function wrong(reason: string, message: string): SourceState {
  return { kind: "wrong", reason, message };
}
