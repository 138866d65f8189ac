// `viv export`: a VMExport object, which makes a VMImage or a file of a VM's root disk, the wait for it, and the file fetched.

import { extname } from "node:path";
import { apiVersionOf, exportFormats, isStatus, VirtualMachine, VMExport } from "@vivarium/api";
import type { ExportFormat, VMExportSpec } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import type { Board } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import type { Session } from "../session/connect.ts";
import { FilePlace } from "../session/fetch-file.ts";
import { DetachedError, detachedError, interruptSignal } from "../session/interrupt.ts";
import { waitForEnd } from "../session/wait-for-end.ts";
import { workStage } from "../session/work-stage.ts";

interface ExportOptions extends GlobalOptions {
  readonly file?: string;
  readonly format?: ExportFormat;
  readonly take?: string;
  readonly verify: "boot" | "digest";
  readonly consoleText?: string;
  readonly live?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

interface Wish {
  readonly machine: string;
  /** Of the VMExport. */
  readonly name: string;
  readonly label: string;
  /** What to do when viv stops before the end. */
  readonly follow: readonly string[];
  readonly session: Session;
  readonly board: Board;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export async function exportMachine(
  machine: string,
  target: string | undefined,
  options: ExportOptions,
): Promise<void> {
  const wanted = targetOf(target, options);
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  const { file, wait } = options;
  // Before anything is done to the VM.
  await using place = file === undefined || wait === false ? undefined : await FilePlace.take(file);
  const name = options.take ?? `${target ?? machine}-${Date.now().toString(36)}`;
  if (options.take === undefined) {
    await client.get(VirtualMachine, { namespace, name: machine }, { signal });
    await client.create(
      VMExport,
      {
        apiVersion: apiVersionOf(VMExport),
        kind: VMExport.kind,
        metadata: { name, namespace },
        spec: {
          vmRef: { name: machine },
          target: wanted,
          verify: {
            by: options.verify === "boot" ? "Boot" : "Digest",
            ...(options.consoleText === undefined ? {} : { consoleText: options.consoleText }),
          },
          live: options.live === true,
          timeout: `${Math.ceil(options.timeout / 1000)}s`,
        },
      },
      { signal },
    );
  }
  if (wait === false) {
    print(`vmexport/${name}: requested`);
    return;
  }
  const take = file === undefined ? [] : [`viv export ${machine} --file ${file} --take ${name}`];
  using board = openBoard();
  const wish: Wish = {
    machine,
    name,
    label: file ?? `image/${target ?? ""}`,
    follow: [`viv get vmexport ${name}`, ...take],
    session,
    board,
    signal,
    timeoutMs: options.timeout,
  };
  const done = await untilMade(wish);
  if (place !== undefined) await fetch(place, done, wish);
  board.remove(wish.label);
  const { message = "made", digest = "" } = done.status ?? {};
  print(place === undefined ? `${wish.label}: ${message}; ${digest}` : `${wish.label}: ${sizeOf(done)}; ${digest}`);
}

function targetOf(image: string | undefined, { file, format, take }: ExportOptions): VMExportSpec["target"] {
  if ((image === undefined) === (file === undefined)) {
    throw new CliUserError("It needs either the name of an image or --file.", { exit: "usage" });
  }
  if (file === undefined) {
    if (format === undefined && take === undefined) return image === undefined ? {} : { imageName: image };
    throw new CliUserError("--format and --take are for --file.", { exit: "usage" });
  }
  const extension = extname(file).slice(1).toLowerCase();
  const found = format ?? exportFormats.find((each) => each === (extension === "img" ? "raw" : extension));
  if (found !== undefined) return { file: { format: found } };
  const known = exportFormats.map((each) => `.${each}`).join(", ");
  throw new CliUserError(`${file} ends with none of ${known}: name a --format.`, { exit: "usage" });
}

async function untilMade(wish: Wish): Promise<VMExport> {
  const { session, name, machine, label, board, follow, timeoutMs, signal } = wish;
  const { namespace, client } = session;
  const made = await waitForEnd(
    client,
    { type: VMExport, key: { namespace, name } },
    {
      label,
      board,
      isOver: ({ status }) => status?.phase === "Succeeded" || status?.phase === "Failed",
      stageOf,
      timeoutMs,
      signal,
      what: `VMExport "${name}"`,
      late: { text: `VM "${machine}" is not exported`, fix: follow },
      detached: { fix: follow },
    },
  );
  if (made.status?.phase === "Failed") {
    throw new CliUserError(`VM "${machine}" was not exported: ${stageOf(made)}`, {
      fix: [`viv describe vmexport ${name}`, `viv delete vmexport ${name}`],
    });
  }
  return made;
}

/** The server's file goes once it is here. */
async function fetch(place: FilePlace, made: VMExport, wish: Wish): Promise<void> {
  const { session, name, label, board, signal, follow } = wish;
  const { namespace, client } = session;
  const { sizeBytes = 0, digest = "", format } = made.status ?? {};
  const key = { namespace, name };
  try {
    await place.fetch(
      {
        sizeBytes,
        roomBytes: format === "raw" ? 0 : sizeBytes,
        digest,
        open: (fromByte) => client.openFile(VMExport, key, { fromByte, signal }),
      },
      {
        signal,
        onBytes: (done) => {
          board.remove("server");
          board.set(label, `Fetching ${Math.floor((100 * done) / Math.max(1, sizeBytes))} %`);
        },
        onTrouble: (error) => board.set("server", error.message),
      },
    );
  } catch (error) {
    if (signal.reason instanceof DetachedError) throw detachedError(`vmexport/${name}`, follow);
    if (!(error instanceof CliUserError)) throw error;
    throw new CliUserError(error.message, {
      fix: [
        `viv export ${made.spec.vmRef.name} --file OTHER --take ${name}   # what was made is kept for ${made.spec.target.file?.keepFor ?? "24h"}`,
        `viv delete vmexport ${name}`,
      ],
      cause: error,
    });
  }
  try {
    if (made.spec.target.file !== undefined) await client.delete(VMExport, key, { signal });
  } catch (error) {
    if (!isStatus(error, "NotFound")) throw error;
  }
}

function sizeOf({ status }: VMExport): string {
  return `${status?.format ?? ""}, ${status?.sizeBytes ?? 0} bytes`;
}

function stageOf({ status }: VMExport): string {
  return workStage({ ...status });
}
