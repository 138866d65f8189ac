// The serial console: live through libvirt's console stream, and the past from its log, a volume of the pool.

import { isLibvirtError, StorageVolInfoFlags } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleRole, ConsoleStream, VmIdentity } from "@vivarium/provider";
import { requireRunningDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { mapError } from "../map-error.ts";
import { serialLogName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import { SharedConsole } from "./shared-console.ts";

export function createConsole({ host, pool }: { readonly host: LibvirtHost; readonly pool: VolumePool }): ConsoleRole {
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

    async readLog(vm, { signal, tailBytes } = {}) {
      const name = serialLogName(vm);
      const options = signal === undefined ? {} : { signal };
      return pool.use(
        `read the serial log of VM "${vm.name}"`,
        async (open) => {
          try {
            const volume = await open.libvirt.storageVolLookupByName(open.pool, name, options);
            const flags = StorageVolInfoFlags.GET_PHYSICAL;
            const { allocationBytes: sizeBytes } = await open.libvirt.storageVolGetInfoFlags(volume, {
              ...options,
              flags,
            });
            const offsetBytes = Math.max(0, sizeBytes - (tailBytes ?? sizeBytes));
            const lengthBytes = sizeBytes - offsetBytes;
            if (lengthBytes === 0) return new Uint8Array(0);
            const chunks: Uint8Array[] = [];
            const range = { offsetBytes, lengthBytes };
            for await (const chunk of open.libvirt.storageVolDownload(volume, { ...options, ...range }))
              chunks.push(chunk);
            return new Uint8Array(Buffer.concat(chunks));
          } catch (error) {
            // Never started, or made elsewhere.
            if (isLibvirtError(error, "NO_STORAGE_VOL")) return new Uint8Array(0);
            throw error;
          }
        },
        options,
      );
    },
  };
}

async function attach(
  host: LibvirtHost,
  { vm, onEnd }: { readonly vm: VmIdentity; readonly onEnd: () => void },
): Promise<SharedConsole> {
  return host.attempt(`open the console of VM "${vm.name}"`, async (libvirt) => {
    const domain = await requireRunningDomain(libvirt, { vm, options: undefined, action: "open the console of" });
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
