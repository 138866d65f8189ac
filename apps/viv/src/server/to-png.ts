// A picture as PNG: what every browser and viewer shows.

import { PassThrough } from "node:stream";
import { PNG } from "pngjs";
import type { Picture } from "@vivarium/provider";
import { parsePpm, type Pixels } from "./parse-ppm.ts";

/** Of PNG: red, green and blue. */
const colorType = 2;

/** Compressed outside this thread, where it is not PNG already. */
export async function toPng({ mediaType, bytes }: Picture): Promise<Uint8Array> {
  return mediaType === "image/png" ? bytes : encode(parsePpm(bytes));
}

async function encode({ widthPixels, heightPixels, rgb }: Pixels): Promise<Uint8Array> {
  const png = new PNG({
    width: widthPixels,
    height: heightPixels,
    colorType,
    inputColorType: colorType,
    inputHasAlpha: false,
  });
  png.data = Buffer.from(rgb.buffer, rgb.byteOffset, rgb.length);
  // Not a stream of today's kind, whatever its type says.
  const packed = new PassThrough();
  png.once("error", (error) => packed.destroy(error));
  png.pack().pipe(packed);
  const chunks: Uint8Array[] = [];
  for await (const chunk of packed) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
