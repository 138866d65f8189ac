// virDomain…: virtual machines. The C API's names; see https://libvirt.org/html/libvirt-libvirt-domain.html for each.

import { DomainInterfaceAddressesSource } from "../constants/domain.ts";
import * as calls from "../protocol/domain.ts";
import type { DomainInterface } from "../protocol/domain.ts";
import type { Domain } from "../protocol/handles.ts";
import * as qemu from "../protocol/qemu.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { ConnectMethods } from "./connect-methods.ts";
import { DomainConsole } from "./domain-console.ts";
import { readStream } from "./stream-transfer.ts";

export interface DomainInfo {
  /** DomainState. */
  readonly state: number;
  readonly maxMemoryBytes: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly cpuTimeNs: bigint;
}

export interface DomainStateAnswer {
  /** DomainState. */
  readonly state: number;
  /** Of the table of that state, for example DomainShutoffReason. */
  readonly reason: number;
}

export interface DomainMetadata {
  /** DomainMetadataType. */
  readonly type: number;
  /** Text, or XML for ELEMENT; absent removes it. */
  readonly metadata?: string;
  /** Name space prefix and URI; only for ELEMENT. */
  readonly key?: string;
  readonly uri?: string;
}

const kib = 1024;

export abstract class DomainMethods extends ConnectMethods {
  async domainLookupByName(name: string, options?: CallOptions): Promise<Domain> {
    return (await this.call(calls.domainLookupByName, { name }, options)).domain;
  }

  async domainLookupByUuid(uuid: string, options?: CallOptions): Promise<Domain> {
    return (await this.call(calls.domainLookupByUuid, { uuid }, options)).domain;
  }

  /** Flags: DomainDefineFlags. */
  async domainDefineXmlFlags(xml: string, options: FlagOptions = {}): Promise<Domain> {
    return (await this.call(calls.domainDefineXmlFlags, { xml, flags: options.flags ?? 0 }, options)).domain;
  }

  /** Starts a transient domain. Flags: DomainCreateFlags. */
  async domainCreateXml(xml: string, options: FlagOptions = {}): Promise<Domain> {
    return (await this.call(calls.domainCreateXml, { xml, flags: options.flags ?? 0 }, options)).domain;
  }

  /** Starts a defined domain and gives its handle with the new id. Flags: DomainCreateFlags. */
  async domainCreateWithFlags(domain: Domain, options: FlagOptions = {}): Promise<Domain> {
    return (await this.call(calls.domainCreateWithFlags, { domain, flags: options.flags ?? 0 }, options)).domain;
  }

  /** Pulls the plug. Flags: DomainDestroyFlags. */
  async domainDestroyFlags(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainDestroyFlags, { domain, flags: options.flags ?? 0 }, options);
  }

  /** Asks the guest. Flags: DomainShutdownFlags. */
  async domainShutdownFlags(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainShutdownFlags, { domain, flags: options.flags ?? 0 }, options);
  }

  /** Asks the guest. Flags: DomainRebootFlags. */
  async domainReboot(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainReboot, { domain, flags: options.flags ?? 0 }, options);
  }

  async domainReset(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainReset, { domain, flags: options.flags ?? 0 }, options);
  }

  async domainSuspend(domain: Domain, options?: CallOptions): Promise<void> {
    await this.call(calls.domainSuspend, { domain }, options);
  }

  async domainResume(domain: Domain, options?: CallOptions): Promise<void> {
    await this.call(calls.domainResume, { domain }, options);
  }

  /** Flags: DomainUndefineFlags. */
  async domainUndefineFlags(domain: Domain, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainUndefineFlags, { domain, flags: options.flags ?? 0 }, options);
  }

  /** Flags: DomainXmlFlags. */
  async domainGetXmlDesc(domain: Domain, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainGetXmlDesc, { domain, flags: options.flags ?? 0 }, options)).xml;
  }

  async domainGetState(domain: Domain, options: FlagOptions = {}): Promise<DomainStateAnswer> {
    return this.call(calls.domainGetState, { domain, flags: options.flags ?? 0 }, options);
  }

  async domainGetInfo(domain: Domain, options?: CallOptions): Promise<DomainInfo> {
    const { maxMemoryKib, memoryKib, ...info } = await this.call(calls.domainGetInfo, { domain }, options);
    return { ...info, maxMemoryBytes: maxMemoryKib * kib, memoryBytes: memoryKib * kib };
  }

  async domainIsActive(domain: Domain, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.domainIsActive, { domain }, options)).isActive;
  }

  /** True when the running domain's definition differs from what runs. */
  async domainIsUpdated(domain: Domain, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.domainIsUpdated, { domain }, options)).isUpdated;
  }

  async domainIsPersistent(domain: Domain, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.domainIsPersistent, { domain }, options)).isPersistent;
  }

  /** Fails with NO_DOMAIN_METADATA when there is none. Flags: DomainModificationImpact. */
  async domainGetMetadata(
    domain: Domain,
    query: { readonly type: number; readonly uri?: string },
    options: FlagOptions = {},
  ): Promise<string> {
    const args = { domain, type: query.type, uri: query.uri, flags: options.flags ?? 0 };
    return (await this.call(calls.domainGetMetadata, args, options)).metadata;
  }

  /** Flags: DomainModificationImpact. */
  async domainSetMetadata(domain: Domain, metadata: DomainMetadata, options: FlagOptions = {}): Promise<void> {
    const args = {
      domain,
      type: metadata.type,
      metadata: metadata.metadata,
      key: metadata.key,
      uri: metadata.uri,
      flags: options.flags ?? 0,
    };
    await this.call(calls.domainSetMetadata, args, options);
  }

  /** `source` is of DomainInterfaceAddressesSource. */
  async domainInterfaceAddresses(
    domain: Domain,
    source: number,
    options: FlagOptions = {},
  ): Promise<readonly DomainInterface[]> {
    const args = { domain, source, flags: options.flags ?? 0 };
    const isOfAgent = source === DomainInterfaceAddressesSource.AGENT;
    const procedure = isOfAgent ? calls.domainInterfaceAddressesOfAgent : calls.domainInterfaceAddresses;
    return (await this.call(procedure, args, options)).interfaces;
  }

  /** Gives a stopped domain another name; its handle keeps the old one. */
  async domainRename(domain: Domain, name: string, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainRename, { domain, name, flags: options.flags ?? 0 }, options);
  }

  async domainGetAutostart(domain: Domain, options?: CallOptions): Promise<boolean> {
    return (await this.call(calls.domainGetAutostart, { domain }, options)).autostart;
  }

  async domainSetAutostart(domain: Domain, autostart: boolean, options?: CallOptions): Promise<void> {
    await this.call(calls.domainSetAutostart, { domain, autostart }, options);
  }

  /**
   * Attaches to a serial or paravirtual console; the first one when `device` (an alias) is absent. Ends when the domain
   * stops, when another takes it by force, or when `signal` aborts. Flags: DomainConsoleFlags.
   */
  async domainOpenConsole(
    domain: Domain,
    options: FlagOptions & { readonly device?: string } = {},
  ): Promise<DomainConsole> {
    const args = { domain, device: options.device, flags: options.flags ?? 0 };
    return new DomainConsole(await this.openStream(calls.domainOpenConsole, args, options), options.signal);
  }

  /** A picture of the screen. */
  async domainScreenshot(
    domain: Domain,
    options: FlagOptions & { readonly screen?: number } = {},
  ): Promise<{ readonly mimeType: string; readonly bytes: Uint8Array }> {
    const args = { domain, screen: options.screen ?? 0, flags: options.flags ?? 0 };
    const opened = await this.openStream(calls.domainScreenshot, args, options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of readStream(opened, options)) chunks.push(chunk);
    return { mimeType: opened.ret.mime ?? "application/octet-stream", bytes: Buffer.concat(chunks) };
  }

  /**
   * Sends one command, as JSON, to the guest agent and gives its JSON answer. AGENT_UNRESPONSIVE when it is not there.
   * `agentTimeoutSeconds` is the daemon's own wait, or of DomainAgentTimeout.
   */
  async qemuDomainAgentCommand(
    domain: Domain,
    command: string,
    options: FlagOptions & { readonly agentTimeoutSeconds?: number } = {},
  ): Promise<string> {
    const args = { domain, command, timeout: options.agentTimeoutSeconds ?? -1, flags: options.flags ?? 0 };
    return (await this.call(qemu.qemuDomainAgentCommand, args, options)).result ?? "";
  }
}
