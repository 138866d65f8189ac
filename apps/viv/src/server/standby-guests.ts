// Consoles and serial logs on a server that does not lead: it has no controllers, so it opens the hypervisor of the guest by itself when
// somebody asks, and keeps the connection while the Provider stays as it is.

import {
  Provider as ProviderKind,
  Secret,
  StatusError,
  VirtualMachine,
  formatKey,
  type ObjectKey,
} from "@vivarium/api";
import type { Client } from "@vivarium/client";
import {
  effectiveProvider,
  hostsOf,
  identityOf,
  OpenProviders,
  providerConfig,
  type ProviderKey,
} from "@vivarium/controllers";
import type { ProviderFactory } from "@vivarium/provider";
import type { Guest } from "./start-controllers.ts";

export class StandbyGuests {
  readonly #client: Client;
  readonly #providers: OpenProviders;

  constructor(client: Client, factories: ReadonlyMap<string, ProviderFactory>) {
    this.#client = client;
    this.#providers = new OpenProviders(factories);
  }

  /** Throws StatusError. */
  async find(key: ObjectKey): Promise<Guest> {
    const vm = await this.#client.get(VirtualMachine, key);
    const { items } = await this.#client.list(
      ProviderKind,
      key.namespace === undefined ? {} : { namespace: key.namespace },
    );
    const effective = effectiveProvider(vm, items);
    if (effective.kind !== "found")
      throw new StatusError("ServiceUnavailable", `Cannot reach VM ${formatKey(key)}: it has no Provider`);
    await this.#open(effective.key);
    const provider = this.#providers.get(effective.key);
    if (provider === undefined)
      throw new StatusError("ServiceUnavailable", `Cannot reach VM ${formatKey(key)}: its Provider is being opened`);
    return { provider, vm: identityOf(vm) };
  }

  close(): Promise<void> {
    return this.#providers.closeAll();
  }

  async #open(key: ProviderKey): Promise<void> {
    const object = await this.#client.get(ProviderKind, key);
    const { type } = object.spec;
    if (!this.#providers.types.includes(type))
      throw new StatusError("ServiceUnavailable", `This build has no provider of type "${type}"`);
    const [host] = hostsOf(object);
    if (host === undefined) return;
    const config = providerConfig(object, host, await this.#credentials(object));
    const connection = { type, config, isFirst: true };
    const hostKey = { ...key, host: host.name };
    if (this.#providers.isOpen(hostKey, connection)) return;
    await this.#providers.open(hostKey, connection);
  }

  async #credentials(provider: ProviderKind): Promise<Readonly<Record<string, string>>> {
    const ref = provider.spec.credentialSecretRef;
    if (ref === undefined) return {};
    const namespace = ref.namespace ?? provider.metadata.namespace ?? "";
    const { data = {} } = await this.#client.get(Secret, { namespace, name: ref.name });
    return Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, Buffer.from(value, "base64").toString("utf8")]),
    );
  }
}
