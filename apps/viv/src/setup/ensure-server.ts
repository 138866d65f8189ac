// A host that is prepared and a server that answers, from wherever things stand. Each step finds out first whether it is needed.

import { spawnSync } from "node:child_process";
import { CliUserError } from "../cli-error.ts";
import type { StateDir } from "../state-dir.ts";
import { findProgram } from "./gather-facts.ts";
import { isLibvirtClosedToUs } from "./libvirt-access.ts";
import { newLoginNote, runSetup, type SetupReport } from "./run-setup.ts";

/** `done-elsewhere` when the whole command ran in a child that has the groups which this process lacks. */
export async function ensureServer(
  stateDir: StateDir,
  options: { readonly skipSetup: boolean; readonly report: SetupReport; readonly signal: AbortSignal },
): Promise<"ready" | "done-elsewhere"> {
  const { report, signal } = options;
  if (!options.skipSetup && (await prepareHost(report, signal)) === "done-elsewhere") return "done-elsewhere";
  const { startDetached } = await import("../server/detached-server.ts");
  const { info, isNew } = await startDetached(stateDir, { signal });
  report[isNew ? "done" : "already"](`server ${isNew ? "started" : "answers"}: ${info.url}`);
  return "ready";
}

async function prepareHost(report: SetupReport, signal: AbortSignal): Promise<"ready" | "done-elsewhere"> {
  const { newLoginFor } = await runSetup(report, { signal });
  if (newLoginFor.length === 0 || !(await isLibvirtClosedToUs())) return "ready";
  if (findProgram("sg") === undefined || process.env["VIV_IN_SG"] !== undefined) {
    throw new CliUserError("This session may not use libvirt yet.", {
      fix: [newLoginNote(newLoginFor)],
      exit: "manual",
    });
  }
  report.note(`a new login has the groups ${newLoginFor.join(" and ")}; this one goes on with \`sg libvirt\``);
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1), "--skip-setup"]
    .map((word) => quoted(word))
    .join(" ");
  const child = spawnSync("sg", ["libvirt", "-c", command], {
    stdio: "inherit",
    env: { ...process.env, VIV_IN_SG: "1" },
  });
  process.exitCode = child.status ?? 1;
  return "done-elsewhere";
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
