// One hypervisor connection with what every role needs: calls whose errors are ProviderErrors, and whether the host is this machine.

import { Libvirt, parseUri } from "@vivarium/libvirt";
import type { ParsedUri } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, Clock, ProviderConfig } from "@vivarium/provider";
import type { Logger } from "pino";
import { mapError } from "./map-error.ts";
import { VmTurns } from "./vm-turns.ts";

/** What is kept across restarts of the server, by key. */
export interface Memo {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
}

/** A daemon that is frozen, or a link that is cut without a word, is told within 20 s. */
const keepaliveIntervalMs = 5_000;

export interface LibvirtHostOptions {
  readonly config: ProviderConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly memo: Memo;
}

export class LibvirtHost {
  readonly log: Logger;
  readonly clock: Clock;
  readonly memo: Memo;
  readonly config: ProviderConfig;
  /** Taken by what changes the definition of a domain. */
  readonly definitions = new VmTurns();
  /** Taken by what puts a pool over a folder, by its path. */
  readonly folders = new VmTurns();
  /** True when the host's files, processes and kernel are those of this machine. */
  readonly isLocal: boolean;
  /** To another unix socket of the host; absent where only libvirt itself can be reached. */
  readonly dialSocket: ParsedUri["dialSocket"];
  /** Where QEMU of another host reaches this one; undefined where libvirt itself says. */
  readonly migrationAddress: string | undefined;
  readonly #libvirt: Libvirt | undefined;
  /** Why there is no connection to be made. */
  readonly #unusable: unknown;

  /** Never throws: a bad endpoint is the answer of every call. */
  constructor({ config, log, clock, memo }: LibvirtHostOptions) {
    this.log = log;
    this.clock = clock;
    this.memo = memo;
    this.config = config;
    try {
      const { dial, uri, dialSocket } = parseUri(config.endpoint);
      this.isLocal = dial.address.startsWith("unix:");
      this.dialSocket = dialSocket;
      this.migrationAddress = config.migrationAddress ?? (this.isLocal ? undefined : hostOf(config.endpoint));
      this.#libvirt = new Libvirt({ dial, uri, logger: log, keepaliveIntervalMs });
    } catch (error) {
      this.isLocal = false;
      this.#unusable = mapError(error, `use endpoint "${config.endpoint}"`);
    }
  }

  /** Undefined when the endpoint is unusable. */
  get connection(): Libvirt | undefined {
    return this.#libvirt;
  }

  /** Runs calls of one action; `action` completes "Cannot …". The caller's own abort is thrown as it is. */
  async attempt<T>(action: string, act: (libvirt: Libvirt) => Promise<T>, options?: CallOptions): Promise<T> {
    if (this.#libvirt === undefined) throw this.#unusable as Error;
    try {
      return await act(this.#libvirt);
    } catch (error) {
      if (options?.signal?.aborted === true && error === options.signal.reason) throw error;
      throw mapError(error, action) as Error;
    }
  }

  close(): void {
    this.#libvirt?.close();
  }
}

/** Without the brackets of an IPv6 address. */
function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replace(/^\[(.*)\]$/, "$1");
}

/** For the few places where a caller's mistake shows before any call. */
export function invalidSpec(message: string): ProviderError {
  return new ProviderError("InvalidSpec", message);
}
