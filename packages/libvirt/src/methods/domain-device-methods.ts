// virDomain…Device…: hot-plug. A detach is done when the guest has let go: wait for the event `device-removed`.

import * as calls from "../protocol/domain-device.ts";
import type { Domain } from "../protocol/handles.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { DomainMethods } from "./domain-methods.ts";

export abstract class DomainDeviceMethods extends DomainMethods {
  /** `xml` is one device, as in the domain's `<devices>`. Flags: DomainDeviceModifyFlags. */
  async domainAttachDeviceFlags(domain: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainAttachDeviceFlags, { domain, xml, flags: options.flags ?? 0 }, options);
  }

  /** Asks the guest to let the device go. DEVICE_MISSING when there is none that fits. Flags: DomainDeviceModifyFlags. */
  async domainDetachDeviceFlags(domain: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainDetachDeviceFlags, { domain, xml, flags: options.flags ?? 0 }, options);
  }

  /** The same, by the alias of the device. Flags: DomainDeviceModifyFlags. */
  async domainDetachDeviceAlias(domain: Domain, alias: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainDetachDeviceAlias, { domain, alias, flags: options.flags ?? 0 }, options);
  }

  /** Changes what can be changed of a device: link state, medium, limits, … Flags: DomainDeviceModifyFlags. */
  async domainUpdateDeviceFlags(domain: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainUpdateDeviceFlags, { domain, xml, flags: options.flags ?? 0 }, options);
  }
}
