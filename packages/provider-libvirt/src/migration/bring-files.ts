// Brings the files of a VM to the other host, so that the domain finds there what it has here: whole copies of those that stay as they are,
// and for those that are written a copy, or, where a live move mirrors them, an empty one on the same base.

import type { CallOptions, MoveProgress, VmIdentity } from "@vivarium/provider";
import { serialLogName } from "../names.ts";
import type { VolumeView } from "../volume-xml.ts";
import { copyFile, isThere } from "./files.ts";
import type { VmFiles } from "./files.ts";
import type { MigrationParts } from "./target.ts";

export async function bringFiles(
  vm: VmIdentity,
  files: VmFiles,
  {
    here,
    there,
    isLive,
    onProgress,
    options,
  }: {
    readonly here: MigrationParts;
    readonly there: MigrationParts;
    readonly isLive: boolean;
    readonly onProgress: (progress: MoveProgress) => void;
    readonly options: CallOptions | undefined;
  },
): Promise<void> {
  const whole: VolumeView[] = [];
  for (const file of files.still) if (!(await isThere(file, there.pool, options))) whole.push(file);
  const written = files.written.map(({ volume }) => volume);
  if (!isLive) whole.push(...written);
  const totalBytes = whole.reduce((sum, file) => sum + (file.physicalBytes ?? file.allocationBytes), 0);
  let doneBytes = 0;
  const onBytes = (count: number): void => {
    doneBytes += count;
    onProgress({ doneBytes, totalBytes: Math.max(totalBytes, doneBytes) });
  };
  for (const file of whole) await copyFile(file, { from: here.pool, to: there.pool, onBytes, options });
  if (isLive) {
    for (const { name, format, capacityBytes, backingPath } of written) {
      const backing = files.still.find(({ path }) => path === backingPath);
      // What is there is left from an earlier try.
      await there.pool.delete(name, options);
      await there.pool.create(
        {
          name,
          format: formatOf(format),
          capacityBytes,
          allocationBytes: 0,
          ...(backing === undefined ? {} : { backing: { path: backing.path, format: formatOf(backing.format) } }),
        },
        options,
      );
    }
  }
  // Made ahead of virtlogd, so that libvirt knows it as a volume.
  const log = serialLogName(vm);
  await there.pool.create({ name: log, format: "raw", capacityBytes: 0, allocationBytes: 0 }, options);
  // Only now libvirt sees what the copies are.
  await there.pool.refresh(options);
}

function formatOf(format: string): "qcow2" | "raw" {
  return format === "raw" ? "raw" : "qcow2";
}
