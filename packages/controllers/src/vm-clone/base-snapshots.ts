// The snapshots that clones and templates of a machine are made from: taken for them, and let go when nothing needs them.

import { VirtualMachine, VMClone, VMSnapshot, VMTemplate } from "@vivarium/api";
import type { KubeObject } from "@vivarium/api";
import type { Cache, Manager } from "@vivarium/runtime";
import { ignoring } from "../ignoring.ts";
import { Turns } from "../turns.ts";
import { baseFor } from "./clone-base.ts";
import type { BaseRecord } from "./clone-base.ts";
import { usersOfSnapshot } from "./clone-users.ts";

export class BaseSnapshots {
  readonly #client: Manager["client"];
  readonly #snapshots: Cache<VMSnapshot>;
  readonly #clones: Cache<VMClone>;
  readonly #machines: Cache<VirtualMachine>;
  readonly #templates: Cache<VMTemplate>;
  readonly #turns = new Turns();

  constructor(manager: Manager) {
    this.#client = manager.client;
    this.#snapshots = manager.cache(VMSnapshot);
    this.#clones = manager.cache(VMClone);
    this.#machines = manager.cache(VirtualMachine);
    this.#templates = manager.cache(VMTemplate);
  }

  /** Of `machine`, in the namespace of who wishes. Wishes of one moment share one: they are served one after the other. */
  take(wisher: KubeObject, machine: string, options: { readonly signal: AbortSignal }): Promise<VMSnapshot> {
    const { namespace = "" } = wisher.metadata;
    return this.#turns.run(`${namespace}/${machine}`, async () => {
      const base = baseFor(wisher, machine, this.#snapshots.list({ namespace }));
      return base.kind === "there" ? base.snapshot : this.#client.create(VMSnapshot, base.snapshot, options);
    });
  }

  /** As it is now. */
  find({ metadata }: KubeObject, record: BaseRecord | undefined): VMSnapshot | undefined {
    return record && this.#snapshots.get({ namespace: metadata.namespace ?? "", name: record.name });
  }

  /** Whether it was taken for clones, and nothing but `wisher` needs it. */
  isIdle(wisher: KubeObject, record: BaseRecord | undefined): boolean {
    const snapshot = this.find(wisher, record);
    if (record?.isBase !== true || snapshot?.metadata.uid !== record.uid) return false;
    if (snapshot.metadata.deletionTimestamp !== undefined) return false;
    const others = ({ metadata }: KubeObject): boolean => metadata.uid !== wisher.metadata.uid;
    const users = {
      clones: this.#clones.list().filter(others),
      templates: this.#templates.list().filter(others),
      machines: this.#machines.list(),
    };
    return usersOfSnapshot(snapshot, users).length === 0;
  }

  async release(
    { metadata }: KubeObject,
    { name, uid }: BaseRecord,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    const key = { namespace: metadata.namespace ?? "", name };
    await ignoring(["NotFound", "Conflict"], this.#client.delete(VMSnapshot, key, { uid, ...options }));
  }
}
