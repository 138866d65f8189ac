// virNWFilter…, virSecret…: what domains, volumes and pools refer to.

import type { NwFilter, NwFilterBinding, Secret } from "../protocol/handles.ts";
import * as filters from "../protocol/nwfilter.ts";
import * as secrets from "../protocol/secret.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { needResults } from "./caller.ts";
import { StorageMethods } from "./storage-methods.ts";

export abstract class NwFilterMethods extends StorageMethods {
  async nwfilterLookupByName(name: string, options?: CallOptions): Promise<NwFilter> {
    return (await this.call(filters.nwfilterLookupByName, { name }, options)).filter;
  }

  async nwfilterLookupByUuid(uuid: string, options?: CallOptions): Promise<NwFilter> {
    return (await this.call(filters.nwfilterLookupByUuid, { uuid }, options)).filter;
  }

  /** Defines it, or changes it at once for all that use it. XML: https://libvirt.org/formatnwfilter.html */
  async nwfilterDefineXml(xml: string, options?: CallOptions): Promise<NwFilter> {
    return (await this.call(filters.nwfilterDefineXml, { xml }, options)).filter;
  }

  async nwfilterGetXmlDesc(filter: NwFilter, options: FlagOptions = {}): Promise<string> {
    return (await this.call(filters.nwfilterGetXmlDesc, { filter, flags: options.flags ?? 0 }, options)).xml;
  }

  /** Refused while it is in use. */
  async nwfilterUndefine(filter: NwFilter, options?: CallOptions): Promise<void> {
    await this.call(filters.nwfilterUndefine, { filter }, options);
  }

  async connectListAllNwFilters(options: FlagOptions = {}): Promise<readonly NwFilter[]> {
    const args = { needResults, flags: options.flags ?? 0 };
    return (await this.call(filters.connectListAllNwFilters, args, options)).items;
  }

  /** Which filter is at work on which port. */
  async connectListAllNwFilterBindings(options: FlagOptions = {}): Promise<readonly NwFilterBinding[]> {
    const args = { needResults, flags: options.flags ?? 0 };
    return (await this.call(filters.connectListAllNwFilterBindings, args, options)).items;
  }

  /** XML: https://libvirt.org/formatsecret.html */
  async secretDefineXml(xml: string, options: FlagOptions = {}): Promise<Secret> {
    return (await this.call(secrets.secretDefineXml, { xml, flags: options.flags ?? 0 }, options)).secret;
  }

  async secretLookupByUuid(uuid: string, options?: CallOptions): Promise<Secret> {
    return (await this.call(secrets.secretLookupByUuid, { uuid }, options)).secret;
  }

  /** `usageType` is of SecretUsageType. */
  async secretLookupByUsage(usageType: number, usageId: string, options?: CallOptions): Promise<Secret> {
    return (await this.call(secrets.secretLookupByUsage, { usageType, usageId }, options)).secret;
  }

  async secretGetXmlDesc(secret: Secret, options: FlagOptions = {}): Promise<string> {
    return (await this.call(secrets.secretGetXmlDesc, { secret, flags: options.flags ?? 0 }, options)).xml;
  }

  async secretSetValue(secret: Secret, value: Uint8Array, options: FlagOptions = {}): Promise<void> {
    await this.call(secrets.secretSetValue, { secret, value, flags: options.flags ?? 0 }, options);
  }

  /** Fails with INVALID_SECRET when the secret is private. */
  async secretGetValue(secret: Secret, options: FlagOptions = {}): Promise<Uint8Array> {
    return (await this.call(secrets.secretGetValue, { secret, flags: options.flags ?? 0 }, options)).value;
  }

  async secretUndefine(secret: Secret, options?: CallOptions): Promise<void> {
    await this.call(secrets.secretUndefine, { secret }, options);
  }

  /** Flags: ListSecretsFlags. */
  async connectListAllSecrets(options: FlagOptions = {}): Promise<readonly Secret[]> {
    const args = { needResults, flags: options.flags ?? 0 };
    return (await this.call(secrets.connectListAllSecrets, args, options)).items;
  }
}
