// The serial console of the simulated hypervisor: prints the log so far, echoes what is written, ends with the VM.

import type { ConsoleRole } from "../provider.ts";
import type { SimulatedParts } from "./compute.ts";
import { openStream } from "./stream.ts";

export function simulatedConsole({ world, gate }: Pick<SimulatedParts, "world" | "gate">): ConsoleRole {
  return {
    open: (vm, options) =>
      gate.run("console.open", {
        subject: vm.uid,
        options,
        act() {
          const onWrite = (bytes: Uint8Array): void => stream.print(bytes);
          const stream = openStream(world, vm, { what: "console", signal: options.signal, onWrite });
          stream.print(new TextEncoder().encode(world.domains.get(vm.uid)?.serialLog ?? ""));
          return stream;
        },
      }),
    readLog: (vm, options) =>
      gate.run("console.readLog", {
        subject: vm.uid,
        options,
        act() {
          const bytes = new TextEncoder().encode(world.domains.get(vm.uid)?.serialLog ?? "");
          return options?.tailBytes === undefined
            ? bytes
            : bytes.subarray(Math.max(0, bytes.length - options.tailBytes));
        },
      }),
  };
}
