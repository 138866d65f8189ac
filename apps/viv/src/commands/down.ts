// `viv down`: the opposite of `up`. VMs are shut down and kept; only --delete removes anything.

import { isStatus, VirtualMachine, type ObjectKey } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { loadManifests } from "../resources/load-manifests.ts";
import { findServer, stopServer } from "../server/detached-server.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { quickStartFile } from "../setup/shipped-files.ts";
import { currentStateDir } from "../state-dir.ts";
import { deleteTargets, targetsOf } from "./delete.ts";
import { fulfil, stopWish } from "./power.ts";

interface DownOptions extends GlobalOptions {
  readonly filename?: string;
  readonly delete?: boolean;
  readonly timeout: number;
}

export async function down(options: DownOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const isLocal = options.kubeconfig === undefined;
  if (isLocal && (await findServer(stateDir)) === undefined) {
    tell("No server runs here; nothing to do.");
    return;
  }
  const manifests = await loadManifests([options.filename ?? quickStartFile()]);
  using signal = interruptSignal();
  {
    await using session = await connect(options);
    const targets = targetsOf(manifests, session);
    if (options.delete === true) {
      await deleteTargets(session, targets, { ignoreNotFound: true, timeout: options.timeout, signal });
    } else {
      const vms = targets.filter((target) => target.kind.kind === VirtualMachine.kind).map((target) => target.key);
      await fulfil(session, await existing(session, vms), {
        timeout: options.timeout,
        signal,
        makeWish: stopWish(false),
      });
    }
  }
  if (!isLocal) return;
  const pid = await stopServer(stateDir);
  if (pid !== undefined) print(`server stopped (pid ${pid})`);
}

async function existing(session: Session, keys: readonly ObjectKey[]): Promise<readonly ObjectKey[]> {
  const found: ObjectKey[] = [];
  for (const key of keys) {
    try {
      await session.client.get(VirtualMachine, key);
      found.push(key);
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }
  return found;
}
