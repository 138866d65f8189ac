// What the parts of the conformance suite share: the subject, and how a VM is built and taken apart.

import assert from "node:assert/strict";
import { isProviderError } from "./provider-error.ts";
import type { ProviderErrorCode } from "./provider-error.ts";
import type { ImageFile, Provider, VmDefinition, VmIdentity } from "./provider.ts";
import type { NetworkDefinition } from "./network.ts";
import type { PoolDefinition } from "./storage.ts";

export interface ConformanceSubject {
  readonly provider: Provider;
  /** Another of its type, that VMs can be moved to; the rules of moving are left out without it. */
  readonly other?: Provider;
  /** Small, and on disk where the provider reads files. */
  readonly image: ImageFile;
  /** A VM that no other test uses. */
  readonly newVm: () => VmIdentity;
  /** A pool of type `dir` that no other test uses, not made yet. */
  readonly newPool: () => PoolDefinition;
  /** A network of mode `isolated` with a domain, one subnet and one range, that no other test uses, not made yet. */
  readonly newNetwork: () => NetworkDefinition;
  /** Makes a domain with this VM's name that is not the VM's. */
  readonly makeForeign: (vm: VmIdentity) => Promise<void>;
  /** Ends the provider and removes everything that is left. */
  readonly close: () => Promise<void>;
}

const mib = 2 ** 20;
export const seed = new Uint8Array(4096).fill(7);

export function macOf(vm: VmIdentity): string {
  return `52:54:00:${vm.uid.slice(0, 2)}:${vm.uid.slice(2, 4)}:${vm.uid.slice(4, 6)}`;
}

export function definitionOf(vm: VmIdentity): VmDefinition {
  return {
    identity: vm,
    cpus: 1,
    memoryBytes: 64 * mib,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "root" }],
    networks: [{ name: "lan", source: { network: "default" }, model: "virtio", mac: macOf(vm) }],
  };
}

export async function build({ provider, image }: ConformanceSubject, vm: VmIdentity): Promise<void> {
  await provider.compute.check(definitionOf(vm));
  const { id } = await provider.images.import(image);
  await provider.disks.ensureRoot(vm, { name: "root", imageId: id });
  await provider.disks.writeSeed(vm, seed);
  await provider.compute.define(definitionOf(vm));
}

export async function dismantle(provider: Provider, vm: VmIdentity): Promise<void> {
  await provider.compute.forceOff(vm);
  await provider.compute.undefine(vm);
  await provider.disks.remove(vm);
}

export async function rejects(call: Promise<unknown>, code: ProviderErrorCode): Promise<Error> {
  try {
    await call;
  } catch (error) {
    assert.ok(isProviderError(error), `expected ProviderError ${code}, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected ProviderError ${code}, but the call succeeded`);
}
