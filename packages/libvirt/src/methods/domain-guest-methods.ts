// Calls that act inside the guest. All but sending keys need its agent, and fail with AGENT_UNRESPONSIVE without it.

import type { Domain } from "../protocol/handles.ts";
import * as calls from "../protocol/domain-guest.ts";
import type { DomainFilesystem } from "../protocol/domain-guest.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { DomainStatsMethods } from "./domain-stats-methods.ts";
import { valuesOf } from "../protocol/typed-param.ts";
import type { TypedValues } from "../protocol/typed-param.ts";

export interface KeyPress {
  /** KeycodeSet; LINUX when absent. */
  readonly codeset?: number;
  readonly keycodes: readonly number[];
  readonly holdMs?: number;
}

export abstract class DomainGuestMethods extends DomainStatsMethods {
  /** Presses keys together, as on a keyboard. */
  async domainSendKey(domain: Domain, press: KeyPress, options: FlagOptions = {}): Promise<void> {
    const { codeset = 0, keycodes, holdMs = 0 } = press;
    await this.call(calls.domainSendKey, { domain, codeset, keycodes, holdMs, flags: options.flags ?? 0 }, options);
  }

  async domainGetHostname(domain: Domain, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainGetHostname, { domain, flags: options.flags ?? 0 }, options)).hostname;
  }

  /** Stops the writing to these file systems, or to all, and gives their number. */
  async domainFsFreeze(
    domain: Domain,
    options: FlagOptions & { readonly mountpoints?: readonly string[] } = {},
  ): Promise<number> {
    const args = { domain, mountpoints: options.mountpoints ?? [], flags: options.flags ?? 0 };
    return (await this.call(calls.domainFsFreeze, args, options)).filesystems;
  }

  /** Goes on with the writing, and gives the number of file systems. */
  async domainFsThaw(
    domain: Domain,
    options: FlagOptions & { readonly mountpoints?: readonly string[] } = {},
  ): Promise<number> {
    const args = { domain, mountpoints: options.mountpoints ?? [], flags: options.flags ?? 0 };
    return (await this.call(calls.domainFsThaw, args, options)).filesystems;
  }

  /** Gives blocks back that the file systems do not use. */
  async domainFsTrim(
    domain: Domain,
    options: FlagOptions & { readonly mountpoint?: string; readonly minimumBytes?: number } = {},
  ): Promise<void> {
    const { mountpoint, minimumBytes = 0, flags = 0 } = options;
    await this.call(calls.domainFsTrim, { domain, mountpoint, minimumBytes, flags }, options);
  }

  async domainGetFsInfo(domain: Domain, options: FlagOptions = {}): Promise<readonly DomainFilesystem[]> {
    return (await this.call(calls.domainGetFsInfo, { domain, flags: options.flags ?? 0 }, options)).filesystems;
  }

  /** `types` is of DomainGuestInfoTypes; all when absent. Fields by libvirt's names: `os.id`, `hostname`, `fs.0.mountpoint`, … */
  async domainGetGuestInfo(
    domain: Domain,
    options: FlagOptions & { readonly types?: number } = {},
  ): Promise<TypedValues> {
    const args = { domain, types: options.types ?? 0, flags: options.flags ?? 0 };
    return valuesOf((await this.call(calls.domainGetGuestInfo, args, options)).params);
  }

  async domainGetTime(
    domain: Domain,
    options: FlagOptions = {},
  ): Promise<{ readonly seconds: number; readonly nanoseconds: number }> {
    return this.call(calls.domainGetTime, { domain, flags: options.flags ?? 0 }, options);
  }

  /** With DomainSetTimeFlags SYNC the guest takes its hardware clock's time instead. */
  async domainSetTime(
    domain: Domain,
    time: { readonly seconds: number; readonly nanoseconds?: number },
    options: FlagOptions = {},
  ): Promise<void> {
    const { seconds, nanoseconds = 0 } = time;
    await this.call(calls.domainSetTime, { domain, seconds, nanoseconds, flags: options.flags ?? 0 }, options);
  }

  /** With DomainSetUserPasswordFlags ENCRYPTED the password is a hash of crypt(3). */
  async domainSetUserPassword(
    domain: Domain,
    login: { readonly user: string; readonly password: string },
    options: FlagOptions = {},
  ): Promise<void> {
    await this.call(calls.domainSetUserPassword, { domain, ...login, flags: options.flags ?? 0 }, options);
  }
}
