// virNetwork…: virtual networks.

import { DriverFeature } from "../constants/connect.ts";
import type { Network, NetworkPort } from "../protocol/handles.ts";
import * as calls from "../protocol/network.ts";
import type { DhcpLease } from "../protocol/network.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { needResults } from "./caller.ts";
import { DomainMigrationMethods } from "./domain-migration-methods.ts";

export interface NetworkUpdate {
  /** NetworkUpdateCommand. */
  readonly command: number;
  /** NetworkSection. */
  readonly section: number;
  /** Which of several parents, for example which `<ip>`; the one that fits when absent. */
  readonly parentIndex?: number;
  /** The element. */
  readonly xml: string;
}

export abstract class NetworkMethods extends DomainMigrationMethods {
  async networkLookupByName(name: string, options?: CallOptions): Promise<Network> {
    return (await this.call(calls.networkLookupByName, { name }, options)).network;
  }

  async networkLookupByUuid(uuid: string, options?: CallOptions): Promise<Network> {
    return (await this.call(calls.networkLookupByUuid, { uuid }, options)).network;
  }

  /** Starts a transient network. */
  async networkCreateXml(xml: string, options?: CallOptions): Promise<Network> {
    return (await this.call(calls.networkCreateXml, { xml }, options)).network;
  }

  async networkDefineXml(xml: string, options?: CallOptions): Promise<Network> {
    return (await this.call(calls.networkDefineXml, { xml }, options)).network;
  }

  /** Starts a defined network. */
  async networkCreate(network: Network, options?: CallOptions): Promise<void> {
    await this.call(calls.networkCreate, { network }, options);
  }

  /** Stops it. */
  async networkDestroy(network: Network, options?: CallOptions): Promise<void> {
    await this.call(calls.networkDestroy, { network }, options);
  }

  async networkUndefine(network: Network, options?: CallOptions): Promise<void> {
    await this.call(calls.networkUndefine, { network }, options);
  }

  /** Flags: NetworkXmlFlags. */
  async networkGetXmlDesc(network: Network, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.networkGetXmlDesc, { network, flags: options.flags ?? 0 }, options)).xml;
  }

  async networkIsActive(network: Network, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.networkIsActive, { network }, options)).isActive;
  }

  async networkIsPersistent(network: Network, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.networkIsPersistent, { network }, options)).isPersistent;
  }

  /** Changes one element of a section, live, in the definition, or both. Flags: NetworkUpdateFlags. */
  async networkUpdate(network: Network, update: NetworkUpdate, options: FlagOptions = {}): Promise<void> {
    // Daemons before libvirt 7.2 read command and section the other way round, and say so.
    const isInOrder = await this.connectSupportsFeature(DriverFeature.NETWORK_UPDATE_HAS_CORRECT_ORDER, options);
    const [command, section] = isInOrder ? [update.command, update.section] : [update.section, update.command];
    const { parentIndex = -1, xml } = update;
    await this.call(
      calls.networkUpdate,
      { network, command, section, parentIndex, xml, flags: options.flags ?? 0 },
      options,
    );
  }

  async networkGetAutostart(network: Network, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.networkGetAutostart, { network }, options)).autostart;
  }

  async networkSetAutostart(network: Network, autostart: boolean, options?: CallOptions): Promise<void> {
    await this.call(calls.networkSetAutostart, { network, autostart }, options);
  }

  /** Fails when the network has no bridge of its own. */
  async networkGetBridgeName(network: Network, options?: CallOptions): Promise<string> {
    return (await this.call(calls.networkGetBridgeName, { network }, options)).name;
  }

  /** What is plugged in. Since libvirt 5.5. */
  async networkListAllPorts(network: Network, options: FlagOptions = {}): Promise<readonly NetworkPort[]> {
    const args = { network, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.networkListAllPorts, args, options)).ports;
  }

  /** All leases, or those of one MAC. */
  async networkGetDhcpLeases(
    network: Network,
    options: FlagOptions & { readonly mac?: string } = {},
  ): Promise<readonly DhcpLease[]> {
    const args = { network, mac: options.mac, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.networkGetDhcpLeases, args, options)).leases;
  }
}
