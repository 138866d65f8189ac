// Reads a picture in the format that older hypervisors give screens in: https://netpbm.sourceforge.net/doc/ppm.html, of the kind P6 with bytes.

import { ProviderError } from "@vivarium/provider";

export interface Pixels {
  readonly widthPixels: number;
  readonly heightPixels: number;
  /** Rows from the top, three bytes a pixel: red, green, blue. */
  readonly rgb: Uint8Array;
}

/** Width, height and the largest value, each after white space or comments; then one white space. */
const header = /^P6(?:\s|#[^\n]*\n)+(\d{1,5})(?:\s|#[^\n]*\n)+(\d{1,5})(?:\s|#[^\n]*\n)+255\s/;
const maxHeaderBytes = 1024;

export function parsePpm(bytes: Uint8Array): Pixels {
  const found = header.exec(Buffer.from(bytes.subarray(0, maxHeaderBytes)).toString("latin1"));
  const [widthPixels, heightPixels] = [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
  const rgb = bytes.subarray(found?.[0].length ?? 0);
  if (found === null || widthPixels * heightPixels === 0 || rgb.length !== widthPixels * heightPixels * 3) {
    const message = `Cannot read the picture of a screen: found ${bytes.length} bytes for ${widthPixels} x ${heightPixels} pixels, expected PPM of three bytes a pixel`;
    throw new ProviderError("Internal", message);
  }
  return { widthPixels, heightPixels, rgb };
}
