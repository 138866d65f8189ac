// Copies of VMs' disks: out of the files that a snapshot froze, which nobody writes.

import { ProviderError } from "@vivarium/provider";
import type { CloneProgress, CloneRole } from "@vivarium/provider";
import { findOwnDomain } from "../domain/lookup.ts";
import { diskVolumeName } from "../names.ts";
import type { SnapshotParts } from "../snapshots/look.ts";
import { VmTurns } from "../vm-turns.ts";
import { makeFull, makeLinked, removeLeftover } from "./copy.ts";
import { sourceDisks } from "./source.ts";
import { unlinkDisks } from "./unlink.ts";

export function createClones(parts: SnapshotParts): CloneRole {
  const { host, pool, usage } = parts;
  const turns = new VmTurns();
  return {
    create: (target, { source, method }, options) =>
      turns.take(target.uid, () =>
        host.attempt(
          `clone into VM "${target.name}"`,
          async (libvirt) => {
            const action = "clone into";
            if ((await findOwnDomain(libvirt, { vm: target, options, action })) !== undefined) {
              throw new ProviderError("Conflict", `Cannot ${action} VM "${target.name}": it has a domain already`);
            }
            const from = await sourceDisks(libvirt, source, { pool, options });
            for (const [index, { disk, view }] of from.entries()) {
              const name = diskVolumeName(target, disk);
              const tell = (bytes: { readonly doneBytes: number; readonly totalBytes: number }, doneDisks: number) => {
                const progress: CloneProgress = {
                  disk,
                  diskDoneBytes: bytes.doneBytes,
                  diskTotalBytes: bytes.totalBytes,
                  doneDisks,
                  totalDisks: from.length,
                };
                options?.onProgress?.(progress);
              };
              await removeLeftover(parts, name, options);
              if (method === "linked") await makeLinked(parts, { name, from: view, options });
              else await makeFull(parts, { name, from: view, options, onBytes: (bytes) => tell(bytes, index) });
              const doneBytes = method === "linked" ? 0 : view.capacityBytes;
              tell({ doneBytes, totalBytes: doneBytes }, index + 1);
            }
            usage.forget();
            return from.map(({ disk, view }) => ({ name: disk, sizeBytes: view.capacityBytes }));
          },
          options,
        ),
      ),
    async read(owner, disk, options) {
      const name = diskVolumeName(owner, disk);
      const refuse = (code: "NotFound" | "Conflict", why: string): ProviderError =>
        new ProviderError(code, `Cannot read disk "${disk}" of "${owner.name}": ${why}`);
      const action = "read a disk of";
      const domain = await host.attempt(
        `${action} "${owner.name}"`,
        (libvirt) => findOwnDomain(libvirt, { vm: owner, options, action }),
        options,
      );
      if (domain !== undefined) throw refuse("Conflict", "it has a domain, which may write to it");
      // The length of a file that was just made is not what libvirt last saw.
      await pool.refresh(options);
      const view = await pool.find(name, options);
      if (view?.physicalBytes === undefined) throw refuse("NotFound", "there is no such disk");
      if (view.backingPath !== undefined) throw refuse("Conflict", `it backs onto ${view.backingPath}`);
      return { format: "qcow2", sizeBytes: view.physicalBytes, bytes: pool.read(name, options) };
    },
    unlink: (vm, options) =>
      turns.take(vm.uid, () =>
        host.attempt(`make VM "${vm.name}" independent`, () => unlinkDisks(parts, vm, options), options),
      ),
  };
}
