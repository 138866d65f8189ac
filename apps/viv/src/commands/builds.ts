// `viv builds`: builds of images, what their guests say, and what can be done about them.

import { ConfigMap, ImageBuild, isStatus, retryBuildAnnotation, VirtualMachine } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect, type Session } from "../session/connect.ts";
import { DetachedError, interruptSignal } from "../session/interrupt.ts";
import { followObject } from "../session/follow-object.ts";

interface ListOptions extends GlobalOptions {
  readonly allNamespaces?: boolean;
  readonly output?: "json" | "yaml" | "name";
}

export async function listBuilds(options: ListOptions): Promise<void> {
  await using session = await connect(options);
  const where = options.allNamespaces === true ? {} : { namespace: session.namespace };
  const { items } = await session.client.list(ImageBuild, where);
  if (options.output !== undefined) {
    const objects = items.map((object) => ({ kind: ImageBuild, object }));
    await showObjects(objects, { format: options.output, single: false });
  } else if (items.length === 0) {
    tell("There are no builds.");
  } else {
    print(buildsTable(items));
  }
}

/** Pure: the newest last. */
export function buildsTable(builds: readonly ImageBuild[]): string {
  const sorted = builds.toSorted((one, other) =>
    (one.metadata.creationTimestamp ?? "") < (other.metadata.creationTimestamp ?? "") ? -1 : 1,
  );
  return textTable(
    ["name", "image", "phase", "done", "left", "try", "message"],
    sorted.map(({ metadata, status }) => [
      metadata.name,
      status?.image ?? "",
      status?.phase ?? "Queued",
      status?.percentage === undefined ? "" : `${status.percentage} %`,
      status?.eta ?? "",
      status?.attempt === undefined ? "" : String(status.attempt),
      status?.message ?? "",
    ]),
  );
}

export async function buildLogs(name: string, options: GlobalOptions & { readonly follow?: boolean }): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name };
  const build = await session.client.get(ImageBuild, key, { signal });
  try {
    if (options.follow !== true) {
      await printLog(session, build, { follow: false, signal });
      return;
    }
    const shown = new Set<string>();
    for await (const now of followObject(session.client, { type: ImageBuild, key }, { signal })) {
      const { vm, finishedAt, phase, message } = now?.status ?? {};
      if (now !== undefined && vm !== undefined && !shown.has(vm) && (await hasDomain(session, vm))) {
        shown.add(vm);
        await printLog(session, now, { follow: finishedAt === undefined, signal });
      }
      if (now === undefined || finishedAt !== undefined) {
        tell(`imagebuild/${name}: ${phase ?? "gone"}${message === undefined ? "" : `, ${message}`}`);
        return;
      }
    }
  } catch (error) {
    if (!(signal.reason instanceof DetachedError)) throw error;
  }
}

/** Of the machine while there is one, else what was kept of it. */
async function printLog(
  session: Session,
  build: ImageBuild,
  { follow, signal }: { readonly follow: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { namespace } = session;
  const { vm, logConfigMap } = build.status ?? {};
  if (vm !== undefined && (await hasDomain(session, vm))) {
    const chunks = await session.client.openLog(VirtualMachine, { namespace, name: vm }, { follow, signal });
    for await (const chunk of chunks) process.stdout.write(chunk);
    return;
  }
  if (logConfigMap === undefined) {
    tell(`imagebuild/${build.metadata.name} has no log yet: ${build.status?.message ?? "it has not begun"}`);
    return;
  }
  const kept = await session.client.get(ConfigMap, { namespace, name: logConfigMap }, { signal });
  process.stdout.write(kept.data?.["log"] ?? "");
}

async function hasDomain(session: Session, vm: string): Promise<boolean> {
  try {
    const { status } = await session.client.get(VirtualMachine, { namespace: session.namespace, name: vm });
    return status?.domain !== undefined;
  } catch (error) {
    if (isStatus(error, "NotFound")) return false;
    throw error;
  }
}

export async function cancelBuild(name: string, options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const key = { namespace: session.namespace, name };
  const build = await session.client.get(ImageBuild, key);
  if (build.status?.finishedAt !== undefined) {
    throw new CliUserError(`imagebuild/${name} has ended already: ${build.status.phase ?? ""}.`);
  }
  await session.client.mergePatch(ImageBuild, key, { spec: { cancelled: true } });
  print(`imagebuild/${name}: cancelled`);
}

export async function retryBuild(name: string, options: GlobalOptions): Promise<void> {
  await using session = await connect(options);
  const key = { namespace: session.namespace, name };
  const build = await session.client.get(ImageBuild, key);
  const { phase } = build.status ?? {};
  if (phase !== "Failed" && phase !== "Cancelled") {
    throw new CliUserError(
      `imagebuild/${name} is ${phase ?? "queued"}: only one that failed or was cancelled is tried again.`,
    );
  }
  await session.client.mergePatch(ImageBuild, key, {
    metadata: { annotations: { [retryBuildAnnotation]: new Date().toISOString() } },
    spec: { cancelled: false },
  });
  print(`imagebuild/${name}: queued again`);
}
