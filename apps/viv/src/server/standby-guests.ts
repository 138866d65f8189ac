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
  hostOfVm,
  hostsOf,
  identityOf,
  OpenProviders,
  providerConfig,
  type DeclaredHost,
  type HostKey,
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
    const object = await this.#client.get(ProviderKind, effective.key);
    const host = hostOfVm(vm, object);
    const declared = hostsOf(object).find(({ name }) => name === host);
    if (declared === undefined)
      throw new StatusError(
        "ServiceUnavailable",
        `Cannot reach VM ${formatKey(key)}: it is on no host of its Provider`,
      );
    const hostKey = { ...effective.key, host: declared.name };
    await this.#open(object, { key: hostKey, host: declared });
    const provider = this.#providers.get(hostKey);
    if (provider === undefined)
      throw new StatusError("ServiceUnavailable", `Cannot reach VM ${formatKey(key)}: its Provider is being opened`);
    return { provider, vm: identityOf(vm) };
  }

  close(): Promise<void> {
    return this.#providers.closeAll();
  }

  async #open(
    object: ProviderKind,
    { key, host }: { readonly key: HostKey; readonly host: DeclaredHost },
  ): Promise<void> {
    const { type } = object.spec;
    if (!this.#providers.types.includes(type))
      throw new StatusError("ServiceUnavailable", `This build has no provider of type "${type}"`);
    const config = providerConfig(object, host, await this.#credentials(object, host));
    const connection = { type, config, isFirst: host.isFirst };
    if (this.#providers.isOpen(key, connection)) return;
    await this.#providers.open(key, connection);
  }

  async #credentials(
    provider: ProviderKind,
    { credentialSecretRef: ref }: DeclaredHost,
  ): Promise<Readonly<Record<string, string>>> {
    if (ref === undefined) return {};
    const namespace = ref.namespace ?? provider.metadata.namespace ?? "";
    const { data = {} } = await this.#client.get(Secret, { namespace, name: ref.name });
    return Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, Buffer.from(value, "base64").toString("utf8")]),
    );
  }
}
