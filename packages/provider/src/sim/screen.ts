// The screen of the simulated hypervisor: one colour, another one after each boot; and the beginning of an RFB session (RFC 6143, 7.1).

import type { ScreenRole } from "../screen.ts";
import { requireRunning } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { openStream } from "./stream.ts";

const version = new TextEncoder().encode("RFB 003.008\n");
const noPasswordNeeded = new Uint8Array([1, 1]);
const taken = new Uint8Array(4);
const pictureHead = new TextEncoder().encode("P6\n64 48\n255\n");
const pictureBytes = 64 * 48 * 3;

export function simulatedScreen({ world, gate }: Pick<SimulatedParts, "world" | "gate">): ScreenRole {
  return {
    open: (vm, options) =>
      gate.run("screen.open", {
        subject: vm.uid,
        options,
        act() {
          const answers = [noPasswordNeeded, taken];
          const onWrite = (): void => {
            const answer = answers.shift();
            if (answer !== undefined) stream.print(answer);
          };
          const stream = openStream(world, vm, { what: "screen", signal: options.signal, onWrite });
          stream.print(version);
          return stream;
        },
      }),
    capture: (vm, options) =>
      gate.run("screen.capture", {
        subject: vm.uid,
        options,
        act() {
          const { boots } = requireRunning(world, vm, "capture the screen of");
          const bytes = new Uint8Array(pictureHead.length + pictureBytes).fill(boots % 256);
          bytes.set(pictureHead);
          return { mediaType: "image/x-portable-pixmap", bytes };
        },
      }),
  };
}
