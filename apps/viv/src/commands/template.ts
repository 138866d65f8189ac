// `viv template create`, `list` and `delete`: VMTemplate objects.

import { apiVersionOf, VMTemplate } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";
import { deleteTargets } from "./delete.ts";
import { get } from "./get.ts";
import type { GetOptions } from "./get.ts";

interface WaitingOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

interface CreateOptions extends WaitingOptions {
  readonly from: string;
  readonly fromSnapshot?: string;
  readonly versionOf?: string;
  readonly templateVersion?: string;
  readonly label: readonly string[];
  readonly description?: string;
}

export async function createTemplate(name: string, options: CreateOptions): Promise<void> {
  const { from, fromSnapshot, versionOf, templateVersion, description } = options;
  const labels = labelsOf(options.label);
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  const key = { namespace, name };
  await client.create(
    VMTemplate,
    {
      apiVersion: apiVersionOf(VMTemplate),
      kind: VMTemplate.kind,
      metadata: { ...key, ...(options.label.length === 0 ? {} : { labels }) },
      spec: {
        ...(versionOf === undefined ? {} : { name: versionOf }),
        ...(templateVersion === undefined ? {} : { version: templateVersion }),
        ...(description === undefined ? {} : { description }),
        source: fromSnapshot === undefined ? { vmRef: { name: from } } : { snapshotRef: { name: fromSnapshot } },
      },
    },
    { signal },
  );
  const label = `vmtemplate/${name}`;
  if (options.wait === false) {
    print(`${label}: requested`);
    return;
  }
  using board = openBoard();
  const result = await waitForObject(
    client,
    { type: VMTemplate, key },
    {
      until: (object) => object === undefined || object.status?.phase === "Ready" || object.status?.phase === "Failed",
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
  const fix = [`viv describe vmtemplate ${name}`, `viv template delete ${name}`];
  switch (result.kind) {
    case "done":
      if (result.object === undefined) {
        throw new CliUserError(`VMTemplate "${name}" was deleted meanwhile.`, { exit: "notFound" });
      }
      if (result.object.status?.phase === "Failed") {
        throw new CliUserError(`Template "${name}" was not made: ${stageOf(result.object)}`, { fix });
      }
      print(`${label}: made from ${result.object.status?.source ?? from}`);
      return;
    case "detached":
      throw detachedError(label, [`viv template list`]);
    case "timeout":
      throw new CliUserError(
        `Template "${name}" is not made after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.isKnown ? stageOf(result.object) : notSeen}`,
        { fix, exit: "timeout" },
      );
  }
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new CliUserError(`--label ${pair}: expected KEY=VALUE.`, { exit: "usage" });
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function stageOf(object: VMTemplate | undefined): string {
  if (object === undefined) return "it does not exist";
  const { phase = "Pending", message, progress } = object.status ?? {};
  const percent = progress?.percentage === undefined ? "" : ` ${progress.percentage} %`;
  return `${phase}${percent}${message === undefined || phase === "Ready" ? "" : `: ${message}`}`;
}

export async function listTemplates(options: GetOptions): Promise<void> {
  await get(VMTemplate.plural, [], options);
}

export async function deleteTemplates(names: readonly string[], options: WaitingOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const targets = names.map((name) => ({ kind: VMTemplate, key: { namespace: session.namespace, name } }));
  await deleteTargets(session, targets, { ...options, signal });
}
