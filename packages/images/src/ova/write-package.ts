// Puts a machine's only disk and what is told of the machine into an OVA: descriptor, manifest, disk, in the order that the standard asks
// for, so that a reader needs no second pass. https://www.dmtf.org/dsp/DSP0243 (OVF 2.1, 5.3)

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { digestFile } from "../file-digest.ts";
import { writeDescriptor } from "./write-descriptor.ts";
import type { PackagedMachine } from "./write-descriptor.ts";

/** Makes the archive at `to` of a VMDK of the kind streamOptimized. A failed file operation is thrown as it is. */
export async function writePackage(
  to: string,
  content: { readonly machine: PackagedMachine; readonly vmdk: string; readonly virtualSizeBytes: number },
  options: { readonly signal: AbortSignal; readonly onBytes?: (doneBytes: number, totalBytes: number) => void },
): Promise<void> {
  const { machine, vmdk, virtualSizeBytes } = content;
  const { signal, onBytes } = options;
  const { size } = await stat(vmdk);
  const disk = { file: `${machine.name}-disk1.vmdk`, sizeBytes: size, virtualSizeBytes };
  const descriptor = { name: `${machine.name}.ovf`, text: writeDescriptor(machine, disk) };
  const { sha256 = "" } = await digestFile(vmdk, { algorithms: ["sha256"], signal });
  const manifest = [
    `SHA256(${descriptor.name})= ${createHash("sha256").update(descriptor.text).digest("hex")}`,
    `SHA256(${disk.file})= ${sha256}`,
    "",
  ].join("\n");
  const archive = pack();
  const broken = new AbortController();
  const until = AbortSignal.any([signal, broken.signal]);
  const written = pipeline(archive, createWriteStream(to, { mode: 0o600 }), { signal: until });
  const fill = async (): Promise<void> => {
    archive.entry({ name: descriptor.name }, descriptor.text);
    archive.entry({ name: `${machine.name}.mf` }, manifest);
    const entry = archive.entry({ name: disk.file, size });
    let done = 0;
    const source = createReadStream(vmdk, { highWaterMark: 1 << 20 });
    source.on("data", (chunk) => onBytes?.((done += chunk.length), size));
    await pipeline(source, entry, { signal: until });
    archive.finalize();
  };
  try {
    await Promise.all([written, fill()]);
  } catch (error) {
    // A full disk stops the reading, too.
    broken.abort(error);
    await written.catch(() => undefined);
    throw error;
  }
}
