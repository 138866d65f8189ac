// `viv console`: the terminal becomes the guest's serial line until ^].

import { VirtualMachine } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { tell } from "../output/print.ts";
import { connect } from "../session/connect.ts";

/** ^], as in telnet and virsh. */
const leaveByte = 0x1d;

export async function attachConsole(name: string, options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const { stdin, stdout } = process;
  if (options.namespace === undefined && name === "") throw new CliUserError("Which VM?", { exit: "usage" });
  const stream = await session.client.openConsole(VirtualMachine, { namespace: session.namespace, name });
  tell(`Connected to the serial console of ${name}. Leave with ^]. Press Enter for a prompt.`);
  const isTerminal = stdin.isTTY === true;
  if (isTerminal) stdin.setRawMode(true);
  const leave = new AbortController();
  const input = (bytes: Buffer): void => {
    const end = bytes.indexOf(leaveByte);
    const typed = end < 0 ? bytes : bytes.subarray(0, end);
    const sent = typed.length > 0 ? stream.write(typed) : Promise.resolve();
    sent.then(
      () => (end < 0 ? undefined : leave.abort()),
      () => leave.abort(),
    );
  };
  stdin.on("data", input);
  leave.signal.addEventListener("abort", () => void stream.close());
  // A pipe's end: what was sent has been sent, and the guest's answer is still wanted until the user or the guest ends it.
  try {
    for await (const bytes of stream.output) stdout.write(bytes);
  } finally {
    stdin.off("data", input);
    if (isTerminal) stdin.setRawMode(false);
    stdin.pause();
    await stream.close();
  }
  tell(leave.signal.aborted ? "\nLeft the console." : "\nThe console ended: the VM stopped, or the server did.");
}
