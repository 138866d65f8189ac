// Makes a volume of a raw image file, without sending its zeros.
//   node examples/upload-volume.ts URI POOL NAME FILE

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Libvirt, parseUri, sparseParts } from "../src/index.ts";

const [uri = "qemu:///system", poolName = "default", name = "image.raw", file = "image.raw"] = process.argv.slice(2);
using libvirt = new Libvirt(parseUri(uri));
await libvirt.ready({ timeoutMs: 10_000 });

const { size } = await stat(file);
const pool = await libvirt.storagePoolLookupByName(poolName);
const volume = await libvirt.storageVolCreateXml(
  pool,
  `<volume><name>${name}</name><capacity>${size}</capacity><allocation>0</allocation></volume>`,
);
try {
  await libvirt.storageVolUploadSparse(volume, sparseParts(createReadStream(file, { highWaterMark: 1024 * 1024 })), {
    onProgress: (sentBytes) => process.stdout.write(`\r${Math.round((100 * sentBytes) / size)} %`),
  });
} catch (error) {
  await libvirt.storageVolDelete(volume);
  throw error;
}
const { allocationBytes, capacityBytes } = await libvirt.storageVolGetInfo(volume);
console.log(`\n${volume.key}: ${capacityBytes} bytes, ${allocationBytes} of them kept`);
