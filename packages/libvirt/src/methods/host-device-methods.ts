// virNodeDevice…, virInterface…: what the host has.

import * as calls from "../protocol/host-device.ts";
import type { HostInterface, NodeDevice } from "../protocol/handles.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { needResults } from "./caller.ts";
import { NwFilterMethods } from "./nwfilter-methods.ts";

export abstract class HostDeviceMethods extends NwFilterMethods {
  async nodeDeviceLookupByName(name: string, options?: CallOptions): Promise<NodeDevice> {
    return (await this.call(calls.nodeDeviceLookupByName, { name }, options)).device;
  }

  /** XML: https://libvirt.org/formatnode.html */
  async nodeDeviceGetXmlDesc(device: NodeDevice, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.nodeDeviceGetXmlDesc, { name: device.name, flags: options.flags ?? 0 }, options)).xml;
  }

  /** Name of the device that it hangs on; undefined for the root. */
  async nodeDeviceGetParent(device: NodeDevice, options?: CallOptions): Promise<string | undefined> {
    return (await this.call(calls.nodeDeviceGetParent, { name: device.name }, options)).parent;
  }

  /** Flags: ListNodeDevicesFlags. */
  async connectListAllNodeDevices(options: FlagOptions = {}): Promise<readonly NodeDevice[]> {
    const args = { needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.connectListAllNodeDevices, args, options)).items;
  }

  async interfaceLookupByName(name: string, options?: CallOptions): Promise<HostInterface> {
    return (await this.call(calls.interfaceLookupByName, { name }, options)).interface;
  }

  async interfaceGetXmlDesc(hostInterface: HostInterface, options: FlagOptions = {}): Promise<string> {
    const args = { interface: hostInterface, flags: options.flags ?? 0 };
    return (await this.call(calls.interfaceGetXmlDesc, args, options)).xml;
  }

  async interfaceIsActive(hostInterface: HostInterface, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.interfaceIsActive, { interface: hostInterface }, options)).isActive;
  }

  /** Network interfaces of the host. Flags: ListInterfacesFlags. */
  async connectListAllInterfaces(options: FlagOptions = {}): Promise<readonly HostInterface[]> {
    const args = { needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.connectListAllInterfaces, args, options)).items;
  }
}
