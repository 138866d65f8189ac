// `viv export`: a VMExport object, which makes a VMImage of a VM's root disk, and the wait for it.

import { apiVersionOf, VirtualMachine, VMExport } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";

interface ExportOptions extends GlobalOptions {
  readonly live?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function exportMachine(machine: string, target: string, options: ExportOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  await client.get(VirtualMachine, { namespace, name: machine }, { signal });
  // A name may be exported to again after its image was deleted.
  const name = `${target}-${Date.now().toString(36)}`;
  await client.create(
    VMExport,
    {
      apiVersion: apiVersionOf(VMExport),
      kind: VMExport.kind,
      metadata: { name, namespace },
      spec: {
        vmRef: { name: machine },
        target: { imageName: target },
        live: options.live === true,
        timeout: `${Math.ceil(options.timeout / 1000)}s`,
      },
    },
    { signal },
  );
  if (options.wait === false) {
    print(`vmexport/${name}: requested`);
    return;
  }
  const label = `image/${target}`;
  using board = openBoard();
  const result = await waitForObject(
    client,
    { type: VMExport, key: { namespace, name } },
    {
      until: (object) =>
        object === undefined || object.status?.phase === "Succeeded" || object.status?.phase === "Failed",
      timeoutMs: options.timeout,
      signal,
      onChange: (object) => {
        board.remove("server");
        board.set(label, stageOf(object));
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  board.remove(label);
  switch (result.kind) {
    case "done":
      if (result.object === undefined) {
        throw new CliUserError(`VMExport "${name}" was deleted meanwhile.`, { exit: "notFound" });
      }
      if (result.object.status?.phase === "Failed") {
        throw new CliUserError(`VM "${machine}" was not exported: ${stageOf(result.object)}`, {
          fix: [`viv describe vmexport ${name}`, `viv delete vmexport ${name}`],
        });
      }
      print(`${label}: ${result.object.status?.message ?? "registered"}; ${result.object.status?.digest ?? ""}`);
      return;
    case "detached":
      throw detachedError(label, [`viv get vmexport ${name}`]);
    case "timeout":
      throw new CliUserError(
        `VM "${machine}" is not exported after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.isKnown ? stageOf(result.object) : notSeen}`,
        { fix: [`viv describe vmexport ${name}`], exit: "timeout" },
      );
  }
}

function stageOf(object: VMExport | undefined): string {
  if (object === undefined) return "it does not exist";
  const { phase = "Pending", message, percentage } = object.status ?? {};
  const percent = percentage === undefined ? "" : ` ${percentage} %`;
  return `${phase}${percent}${message === undefined ? "" : `: ${message}`}`;
}
