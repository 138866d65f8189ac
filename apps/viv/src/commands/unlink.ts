// `viv unlink`: an annotation asks, and is taken away when the VM needs nothing but its own disks.

import { formatTime, unlinkAnnotation, unlinkProgressAnnotation, VirtualMachine, type Event } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { followEvents } from "../session/follow-events.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { waitForObject } from "../session/wait.ts";

interface UnlinkOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function unlink(vm: string, options: UnlinkOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  const key = { namespace, name: vm };
  const label = `vm/${vm}`;
  const patch = { metadata: { annotations: { [unlinkAnnotation]: formatTime(new Date()) } } };
  const since = new Date();
  await client.mergePatch(VirtualMachine, key, patch, { fieldManager: "viv", signal });
  if (options.wait === false) {
    print(`${label}: requested`);
    return;
  }
  using board = openBoard();
  board.set(label, "its disks are being made independent");
  const end = new AbortController();
  let trouble: string | undefined;
  const following = followEvents(
    client,
    { namespace, since },
    {
      signal: AbortSignal.any([end.signal, signal]),
      onEvent: ({ involvedObject, type, message }: Event) => {
        if (involvedObject.name !== vm || type !== "Warning") return;
        trouble = message;
        board.set(label, message ?? "");
      },
    },
  );
  try {
    const result = await waitForObject(
      client,
      { type: VirtualMachine, key },
      {
        until: (object) => object?.metadata.annotations?.[unlinkAnnotation] === undefined,
        timeoutMs: options.timeout,
        signal,
        onChange: (object) => {
          board.remove("server");
          const percent = object?.metadata.annotations?.[unlinkProgressAnnotation];
          if (percent !== undefined) board.set(label, `its disks are being made independent, ${percent} %`);
        },
        onTrouble: (error) => board.set("server", error.message),
      },
    );
    board.remove(label);
    switch (result.kind) {
      case "done":
        if (result.object === undefined) {
          throw new CliUserError(`VM "${vm}" was deleted meanwhile.`, { exit: "notFound" });
        }
        print(`${label}: independent of what it was made from`);
        return;
      case "detached":
        throw detachedError(label, [`viv describe vm ${vm}`]);
      case "timeout":
        throw new CliUserError(
          `VM "${vm}" is not independent after ${formatDuration(options.timeout)}; the server goes on.${trouble === undefined ? "" : `\n  ${trouble}`}`,
          { fix: [`viv describe vm ${vm}`], exit: "timeout" },
        );
    }
  } finally {
    end.abort();
    await Promise.allSettled([following]);
  }
}
