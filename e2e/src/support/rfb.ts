// As much of a VNC viewer (RFC 6143) as proves that a screen is there: it logs in without a password and asks for the picture once.

import type { Duplex } from "node:stream";

export interface RfbScreen {
  readonly widthPixels: number;
  readonly heightPixels: number;
  readonly name: string;
  /** Of the first update, which is of the whole screen: four bytes a pixel. */
  readonly pixels: Buffer;
}

const raw = 0;

/** Speaks RFB 3.8 and ends the stream. */
export async function lookAtScreen(stream: Duplex): Promise<RfbScreen> {
  const take = taking(stream);
  try {
    const version = (await take(12)).toString("latin1");
    if (!/^RFB 003\.\d\d\d\n$/.test(version)) throw new Error(`no RFB server: it said ${JSON.stringify(version)}`);
    stream.write("RFB 003.008\n");
    const types = await take((await take(1)).readUInt8());
    if (!types.includes(1)) throw new Error(`the server wants a password: security types ${[...types].join()}`);
    stream.write(Buffer.of(1));
    const result = (await take(4)).readUInt32BE();
    if (result !== 0) throw new Error(`the server refused: security result ${result}`);
    // Shared: nobody else is thrown out.
    stream.write(Buffer.of(1));
    const head = await take(24);
    const [widthPixels, heightPixels] = [head.readUInt16BE(0), head.readUInt16BE(2)];
    const name = (await take(head.readUInt32BE(20))).toString();
    stream.write(setEncodings(raw));
    stream.write(wholeScreen(widthPixels, heightPixels));
    const pixels = Buffer.alloc(widthPixels * heightPixels * (head.readUInt8(4) / 8));
    await readUpdate(take, { pixels, widthPixels, bytesPerPixel: head.readUInt8(4) / 8 });
    return { widthPixels, heightPixels, name, pixels };
  } finally {
    stream.destroy();
  }
}

type Take = (length: number) => Promise<Buffer>;

function taking(stream: Duplex): Take {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held = Buffer.alloc(0);
  return async (length) => {
    while (held.length < length) {
      const next = await chunks.next();
      if (next.done === true) throw new Error(`the server hung up after ${held.length} of ${length} bytes`);
      held = Buffer.concat([held, next.value]);
    }
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };
}

function setEncodings(encoding: number): Buffer {
  const message = Buffer.alloc(8);
  message.writeUInt8(2, 0);
  message.writeUInt16BE(1, 2);
  message.writeInt32BE(encoding, 4);
  return message;
}

function wholeScreen(width: number, height: number): Buffer {
  const message = Buffer.alloc(10);
  message.writeUInt8(3, 0);
  message.writeUInt16BE(width, 6);
  message.writeUInt16BE(height, 8);
  return message;
}

async function readUpdate(
  take: Take,
  screen: { readonly pixels: Buffer; readonly widthPixels: number; readonly bytesPerPixel: number },
): Promise<void> {
  const type = (await take(1)).readUInt8();
  if (type !== 0) throw new Error(`expected an update of the screen, found message ${type}`);
  const rectangles = (await take(3)).readUInt16BE(1);
  for (let index = 0; index < rectangles; index++) {
    const head = await take(12);
    const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at)) as [number, number, number, number];
    if (head.readInt32BE(8) !== raw) throw new Error(`expected raw pixels, found encoding ${head.readInt32BE(8)}`);
    const { pixels, widthPixels, bytesPerPixel } = screen;
    for (let row = 0; row < height; row++)
      (await take(width * bytesPerPixel)).copy(pixels, ((y + row) * widthPixels + x) * bytesPerPixel);
  }
}
