// `viv template create`, `list` and `delete`: VMTemplate objects.

import { apiVersionOf, VMTemplate } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForEnd } from "../session/wait-for-end.ts";
import { workStage } from "../session/work-stage.ts";
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
  const fix = [`viv describe vmtemplate ${name}`, `viv template delete ${name}`];
  const { status } = await waitForEnd(
    client,
    { type: VMTemplate, key },
    {
      label,
      board,
      isOver: (object) => object.status?.phase === "Ready" || object.status?.phase === "Failed",
      stageOf,
      timeoutMs: options.timeout,
      signal,
      what: `Template "${name}"`,
      late: { text: `Template "${name}" is not made`, fix },
      detached: { fix: ["viv template list"] },
    },
  );
  if (status?.phase === "Failed") {
    throw new CliUserError(`Template "${name}" was not made: ${stageOf({ status })}`, { fix });
  }
  print(`${label}: made from ${status?.source ?? from}`);
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

function stageOf({ status }: Pick<VMTemplate, "status">): string {
  return workStage({ ...status, percentage: status?.progress?.percentage });
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
