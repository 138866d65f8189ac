// The serial console: live through libvirt's console stream, and the past from its log (read-log.ts).

import { isLibvirtError } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleRole, ConsoleStream, VmIdentity } from "@vivarium/provider";
import { requireRunningDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { mapError } from "../map-error.ts";
import type { VolumePool } from "../pool.ts";
import { readLog, RotatedLogs } from "./read-log.ts";
import { SharedConsole } from "./shared-console.ts";

export function createConsole({ host, pool }: { readonly host: LibvirtHost; readonly pool: VolumePool }): ConsoleRole {
  const rotated = new RotatedLogs({ host, pool });
  /** By VM uid. */
  const shared = new Map<string, Promise<SharedConsole>>();

  function openShared(vm: VmIdentity): Promise<SharedConsole> {
    const opening = attach(host, {
      vm,
      onEnd: () => {
        if (shared.get(vm.uid) === opening) shared.delete(vm.uid);
      },
    });
    shared.set(vm.uid, opening);
    opening.catch(() => shared.delete(vm.uid));
    return opening;
  }

  return {
    async open(vm, { signal }): Promise<ConsoleStream> {
      signal.throwIfAborted();
      // Entered before the first wait, so that two who come at once share one console.
      const opening = shared.get(vm.uid) ?? openShared(vm);
      const stream = (await opening).attach(signal) ?? (await openShared(vm)).attach(signal);
      if (stream === undefined) {
        throw new ProviderError("Conflict", `Cannot open the console of VM "${vm.name}": it ended at once`);
      }
      return withMappedErrors(stream, vm);
    },

    readLog: (vm, options = {}) => readLog(vm, { pool, rotated, ...options }),
  };
}

async function attach(
  host: LibvirtHost,
  { vm, onEnd }: { readonly vm: VmIdentity; readonly onEnd: () => void },
): Promise<SharedConsole> {
  return host.attempt(`open the console of VM "${vm.name}"`, async (libvirt) => {
    const { domain } = await requireRunningDomain(libvirt, { vm, options: undefined, action: "open the console of" });
    try {
      return new SharedConsole(await libvirt.domainOpenConsole(domain), onEnd);
    } catch (error) {
      if (!isLibvirtError(error, "OPERATION_FAILED")) throw error;
      const message = `Cannot open the console of VM "${vm.name}": another program has it open`;
      throw new ProviderError("Conflict", message, { cause: error });
    }
  });
}

function withMappedErrors(stream: ConsoleStream, vm: VmIdentity): ConsoleStream {
  const fail = (error: unknown): never => {
    throw mapError(error, `use the console of VM "${vm.name}"`) as Error;
  };
  async function* output(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* stream.output;
    } catch (error) {
      fail(error);
    }
  }
  return {
    output: output(),
    write: (bytes) => stream.write(bytes).catch(fail),
    close: () => stream.close(),
  };
}
