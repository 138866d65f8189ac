// Files of images out of the pool, and back into it. What is put back is whole when it has the length that its name says, like every image;
// the file that it replaces goes first, for libvirt cannot rename one.

import { stat } from "node:fs/promises";
import { FileParts } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, ImageBackupRole, VolumeUser } from "@vivarium/provider";
import { findComplete, volumesOf } from "../images.ts";
import type { ImageParts } from "../images.ts";
import { findWhole } from "../layers/create-layers.ts";
import { invalidSpec } from "../libvirt-host.ts";
import { digest24, imageVolumeName } from "../names.ts";

export function createImageBackups({ pool, usage }: ImageParts): ImageBackupRole {
  return {
    async *read(digest, options) {
      // A file that somebody took away or cut short is still in libvirt's list as it was.
      await pool.refresh(options);
      const view = await findWhole(pool, { digest, options });
      if (view === undefined) throw new ProviderError("NotFound", `Cannot read image ${digest}: it is not in the pool`);
      yield* pool.read(view.name, options);
    },

    async restore(image, options = {}) {
      const { size } = await stat(image.path);
      if (size !== image.sizeBytes) {
        throw invalidSpec(`Cannot put "${image.path}" back: it has ${size} bytes, its record says ${image.sizeBytes}`);
      }
      const wanted = { digest: image.digest, options };
      await pool.refresh(options);
      const name = imageVolumeName({ ...image, digest24: digest24(image.digest) });
      await requireUnused(name, { options, by: isReading });
      const others = (await volumesOf(pool, wanted)).filter((other) => other !== name);
      // The same layer built again is another file, and what backs onto that needs it.
      for (const other of others) await requireUnused(other, { options, by: () => true });
      for (const other of others) await pool.delete(other, options);
      await pool.write(name, new FileParts(image.path), { ...options, sizeBytes: image.sizeBytes });
      const restored = await findComplete(pool, wanted);
      if (restored !== undefined) return restored;
      throw new ProviderError("Internal", `Cannot put image "${name}" back: the host has not kept all of its bytes`);
    },
  };

  async function requireUnused(
    name: string,
    { options, by }: { readonly options: CallOptions; readonly by: (user: VolumeUser) => boolean },
  ): Promise<void> {
    const users = await pool.use(
      `look for users of image "${name}"`,
      ({ libvirt, pool: { name: poolName }, path }) =>
        usage.usersOf(libvirt, { pool: poolName, name, path: `${path}/${name}` }, { ...options, isFresh: true }),
      options,
    );
    const names = users.filter(by).map((user) => user.name);
    if (names.length === 0) return;
    throw new ProviderError("Conflict", `Cannot replace image "${name}": in use by ${names.join(", ")}`);
  }
}

/** A guest that runs has the file open, and would go on with what it was. */
function isReading(user: VolumeUser): boolean {
  return user.kind === "vm" && user.isOn;
}
