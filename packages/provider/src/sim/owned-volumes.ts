// The volumes of the simulated hypervisor, by name and by the VM that they belong to: with ten thousand VMs nobody can look through all.

import type { SimulatedVolume } from "./world.ts";

export class OwnedVolumes extends Map<string, SimulatedVolume> {
  readonly #byOwner = new Map<string, Set<string>>();

  ownedBy(uid: string): readonly SimulatedVolume[] {
    return [...(this.#byOwner.get(uid) ?? [])].flatMap((name) => this.get(name) ?? []);
  }

  override set(name: string, volume: SimulatedVolume): this {
    this.delete(name);
    const { uid } = volume.owner;
    this.#byOwner.set(uid, (this.#byOwner.get(uid) ?? new Set()).add(name));
    return super.set(name, volume);
  }

  override delete(name: string): boolean {
    const uid = this.get(name)?.owner.uid;
    const names = uid === undefined ? undefined : this.#byOwner.get(uid);
    names?.delete(name);
    if (uid !== undefined && names?.size === 0) this.#byOwner.delete(uid);
    return super.delete(name);
  }
}
