// The domains of the simulated hypervisor, by uid and by name: with ten thousand of them nobody can look through all.

import type { SimulatedDomain } from "./world.ts";

export class NamedDomains extends Map<string, SimulatedDomain> {
  readonly #uids = new Map<string, string>();

  named(name: string): SimulatedDomain | undefined {
    const uid = this.#uids.get(name);
    return uid === undefined ? undefined : this.get(uid);
  }

  override set(uid: string, domain: SimulatedDomain): this {
    this.delete(uid);
    this.#uids.set(domain.name, uid);
    return super.set(uid, domain);
  }

  override delete(uid: string): boolean {
    const name = this.get(uid)?.name;
    if (name !== undefined && this.#uids.get(name) === uid) this.#uids.delete(name);
    return super.delete(uid);
  }
}
