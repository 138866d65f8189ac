// `viv build`: an ImageBuild of a role, watched to its end.

import { ImageBuild, shippedRolesNamespace, VMRole } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { ensureLabBase } from "../lab/lab-base.ts";
import { openBoard } from "../output/board.ts";
import { print, tell } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { waitForObject } from "../session/wait.ts";

interface BuildOptions extends GlobalOptions {
  readonly image?: string;
  readonly provider?: string;
  readonly priority?: number;
  readonly keepOnFailure?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function build(role: string, options: BuildOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace } = session;
  await requireRole(session.client, { role, namespace });
  const name = `${role}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}`;
  const { image, provider, priority, keepOnFailure } = options;
  const providerRef = provider === undefined ? undefined : { name: provider };
  const made = await ensureLabBase(session, providerRef === undefined ? {} : { providerRef }, { signal });
  for (const label of made) tell(`${label} created`);
  await session.client.create(
    ImageBuild,
    {
      apiVersion: `${ImageBuild.group}/${ImageBuild.version}`,
      kind: ImageBuild.kind,
      metadata: { namespace, name },
      spec: {
        roleRef: { name: role, ...(image === undefined ? {} : { image }) },
        ...(providerRef === undefined ? {} : { providerRef }),
        ...(priority === undefined ? {} : { priority }),
        ...(keepOnFailure === true ? { keepOnFailure } : {}),
      },
    },
    { signal },
  );
  const label = `imagebuild/${name}`;
  if (options.wait === false) {
    print(`${label}: queued`);
    return;
  }
  using board = openBoard();
  const result = await waitForObject(
    session.client,
    { type: ImageBuild, key: { namespace, name } },
    {
      until: (object) => object === undefined || object.status?.finishedAt !== undefined,
      timeoutMs: options.timeout,
      signal,
      onChange: (object) => board.set(label, lineOf(object)),
    },
  );
  if (result.kind === "detached") throw detachedError(label, [`viv builds logs ${name} -f`]);
  const status = result.object?.status;
  if (status?.phase === "Succeeded") {
    const how = status.isCached === true ? "was there already" : `built in ${status.duration ?? "a while"}`;
    print(`vmimage/${status.image ?? ""}: ${how}`);
    return;
  }
  const why = status?.message ?? "it is gone";
  throw new CliUserError(
    result.kind === "timeout"
      ? `${label} has not come to its end: ${why}.`
      : `${label} ended ${status?.phase ?? ""}: ${why}`,
    {
      fix: [`viv builds logs ${name}`, ...lookInside(keepOnFailure, status?.vm), `viv builds retry ${name}`],
      exit: result.kind === "timeout" ? "timeout" : "failure",
    },
  );
}

/** Where the machine of a failed build was kept for that. */
function lookInside(keepOnFailure: boolean | undefined, vm: string | undefined): readonly string[] {
  return keepOnFailure === true && vm !== undefined ? [`viv ssh ${vm}, or viv console ${vm}`] : [];
}

function lineOf(object: ImageBuild | undefined): string {
  const { phase, message, percentage, eta } = object?.status ?? {};
  const done = percentage === undefined ? "" : ` ${percentage} %`;
  return `${phase ?? "Queued"}${done}${eta === undefined ? "" : `, ${eta} left`}: ${message ?? ""}`;
}

/** Told at once instead of by a build that fails. */
async function requireRole(
  client: { list: Awaited<ReturnType<typeof connect>>["client"]["list"] },
  { role, namespace }: { readonly role: string; readonly namespace: string },
): Promise<void> {
  const lists = await Promise.all(
    [namespace, shippedRolesNamespace].map((each) => client.list(VMRole, { namespace: each })),
  );
  const names = lists.flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
  if (names.includes(role)) return;
  throw new CliUserError(`There is no role "${role}".`, {
    fix: [`There are ${[...new Set(names)].join(", ")}.`],
    exit: "notFound",
  });
}
