// What a clone is made from, and whether that is there yet. Pure.

import type { CloneWish, Provider, VirtualMachine, VMClone, VMImage, VMSnapshot } from "@vivarium/api";
import type { VmIdentity } from "@vivarium/provider";
import { effectiveProvider } from "../effective-provider.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import { connectionOfVm, hasSeveralHosts, hostOfVm } from "../vm-host.ts";
import type { ProviderKey } from "../provider-registry.ts";
import type { CloneOrigin } from "./clone-target.ts";
import type { CloneInput, SourceState } from "./vm-clone-plan.ts";
import type { CloneRecord } from "./vm-clone-record.ts";

interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface SourceObjects {
  machine(key: Key): VirtualMachine | undefined;
  snapshot(key: Key): VMSnapshot | undefined;
  image(key: Key): VMImage | undefined;
  provider(key: Key): Provider | undefined;
  providers(): readonly Provider[];
}

export interface ResolvedSource {
  readonly state: SourceState;
  readonly copy: CloneInput["copy"];
  /** `KIND/NAME`. */
  readonly name: string;
  /** Where `state` is ready. */
  readonly origin?: CloneOrigin;
  /** Where disks are copied out of a snapshot. */
  readonly from?: { readonly vm: VmIdentity; readonly uid: string; readonly connection: ProviderKey };
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
  const { source } = wish;
  const { namespace = "default" } = clone.metadata;
  switch (source?.kind) {
    case undefined:
      return { state: wrong("InvalidSpec", "No source"), copy: "none", name: "" };
    case "vm":
      return ofMachine({ namespace, name: source.name }, { clone, record, objects });
    case "snapshot":
      return ofNamedSnapshot({ namespace, name: source.name }, { clone, record, objects });
    case "template":
      return {
        state: wrong("UnsupportedSource", "spec.source.templateRef is not supported"),
        copy: "none",
        name: `VMTemplate/${source.key.name}`,
      };
    case "image":
      return ofImage(source.key, { clone, wish, objects });
  }
}

interface Subject {
  readonly clone: VMClone;
  readonly record: CloneRecord;
  readonly objects: SourceObjects;
}

function ofMachine(key: Key, { clone, record, objects }: Subject): ResolvedSource {
  const name = `VirtualMachine/${key.name}`;
  const copy = "before-domain";
  const vm = objects.machine(key);
  const trouble = troubleOf(vm, key);
  if (vm === undefined || trouble !== undefined) return { state: trouble ?? waiting("SourceNotFound", ""), copy, name };
  const snapshot = record.snapshot && objects.snapshot({ ...key, name: record.snapshot.name });
  if (snapshot === undefined || snapshot.metadata.uid !== record.snapshot?.uid) {
    return { state: { kind: "base-due" }, copy, name };
  }
  return ofSnapshot(vm, snapshot, { clone, objects, name });
}

function ofNamedSnapshot(key: Key, { clone, record, objects }: Subject): ResolvedSource {
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
  if (record.snapshot?.uid !== snapshot.metadata.uid) return { state: { kind: "base-due" }, copy, name, snapshot };
  return ofSnapshot(vm, snapshot, { clone, objects, name });
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
  { clone, objects, name }: { readonly clone: VMClone; readonly objects: SourceObjects; readonly name: string },
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
  const [namespace = "", providerName = ""] = (readRecord(vm.status).madeOn ?? "").split("/");
  const provider = objects.provider({ namespace, name: providerName });
  const connection = provider && connectionOfVm(vm, provider);
  if (provider === undefined || connection === undefined) {
    return { state: waiting("ProviderNotFound", `Provider "${namespace}/${providerName}" does not exist`), copy, name };
  }
  const refused = otherProvider(clone, { namespace, name: providerName });
  if (refused !== undefined) return { state: refused, copy, name };
  const { uid = "" } = metadata;
  const host = hasSeveralHosts(provider) ? hostOfVm(vm, provider) : undefined;
  return {
    state: { kind: "ready" },
    copy,
    name,
    from: { vm: identityOf(vm), uid, connection },
    origin: {
      namespace: vm.metadata.namespace ?? "default",
      spec: vm.spec,
      labels: vm.metadata.labels ?? {},
      name,
      disks: status.disks ?? [],
      baseUid: uid,
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
