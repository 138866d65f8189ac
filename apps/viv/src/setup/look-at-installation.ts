// Gathers what `installation-checks.ts` judges. Changes nothing.

import { statSync } from "node:fs";
import { Provider, VirtualMachine, VMImage } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { connect } from "../session/connect.ts";
import type { StateDir } from "../state-dir.ts";
import { findProgram } from "./gather-facts.ts";
import type { CheckedInstallation } from "./installation-checks.ts";
import { runQuietly } from "./run-host-command.ts";

export async function lookAtInstallation(
  options: GlobalOptions,
  { stateDir, hasServer }: { readonly stateDir: StateDir; readonly hasServer: boolean },
): Promise<CheckedInstallation> {
  const folder = statSync(stateDir.path, { throwIfNoEntry: false });
  const written = [stateDir.database, stateDir.serverLog, stateDir.kubeconfig].flatMap(
    (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? [],
  );
  const [isSynchronized, objects] = await Promise.all([
    isClockSynchronized(),
    hasServer ? objectsOf(options) : undefined,
  ]);
  return {
    stateDir: folder && { path: stateDir.path, isOpenToOthers: (folder.mode & 0o077) !== 0 },
    clock: { nowMs: Date.now(), lastWriteMs: written.length === 0 ? undefined : Math.max(...written), isSynchronized },
    objects,
  };
}

/** As systemd tells; elsewhere nobody does in one way. */
async function isClockSynchronized(): Promise<boolean | undefined> {
  if (findProgram("timedatectl") === undefined) return undefined;
  const { code, stdout } = await runQuietly("timedatectl", ["show", "--property=NTPSynchronized", "--value"], {
    signal: AbortSignal.timeout(5_000),
  });
  return code === 0 ? stdout.trim() === "yes" : undefined;
}

async function objectsOf(options: GlobalOptions): Promise<CheckedInstallation["objects"]> {
  try {
    await using session = await connect(options);
    const { client } = session;
    const [providers, images, machines] = await Promise.all([
      client.list(Provider),
      client.list(VMImage),
      client.list(VirtualMachine),
    ]);
    return { providers: providers.items, images: images.items, machines: machines.items };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
