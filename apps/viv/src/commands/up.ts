// `viv up`: from nothing to an SSH prompt. Each step finds out first whether it is needed, so that a second run changes nothing.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { VirtualMachine } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { asTyped } from "../output/as-typed.ts";
import { openBoard } from "../output/board.ts";
import { print, tell } from "../output/print.ts";
import { loadManifests } from "../resources/load-manifests.ts";
import { connect, type Session } from "../session/connect.ts";
import { guestUser } from "../session/guest-user.ts";
import { detachedError, DetachedError, interruptSignal } from "../session/interrupt.ts";
import { proveSsh } from "../session/prove-ssh.ts";
import { ensureOwnKey, publishKeys, userPublicKeys } from "../session/ssh-keys.ts";
import { waitForVms } from "../session/wait-for-vms.ts";
import { findProgram } from "../setup/gather-facts.ts";
import { isLibvirtClosedToUs } from "../setup/libvirt-access.ts";
import { newLoginNote, runSetup } from "../setup/run-setup.ts";
import { currentStateDir } from "../state-dir.ts";
import { applyManifests, vmKeys } from "./apply.ts";
import { setupReport } from "./setup.ts";

export interface UpOptions extends GlobalOptions {
  readonly filename?: string;
  readonly skipSetup?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function up(options: UpOptions): Promise<void> {
  const startedAt = Date.now();
  using signal = interruptSignal();
  const file = options.filename ?? quickStartFile();
  const manifests = await loadManifests([file]);
  const stateDir = currentStateDir(options.stateDir);
  if (options.kubeconfig === undefined) {
    if (options.skipSetup !== true && (await prepareHost(signal)) === "done-elsewhere") return;
    const { startDetached } = await import("../server/detached-server.ts");
    const { info, isNew } = await startDetached(stateDir, { signal });
    setupReport(tell)[isNew ? "done" : "already"](`server ${isNew ? "started" : "answers"}: ${info.url}`);
  }
  await ensureOwnKey(stateDir);
  await using session = await connect(options);
  const areKeysNew = await publishKeys(session.client, stateDir);
  setupReport(tell)[areKeysNew ? "done" : "already"]("SSH keys are where new VMs get them");
  const applied = await applyManifests(session, manifests);
  for (const { label, result } of applied)
    tell(`${result.outcome === "unchanged" ? "already" : "   done"} ${label} ${result.outcome}`);
  const keys = vmKeys(applied);
  if (options.wait === false || keys.length === 0) return;
  const vms = await waitForVms(session, keys, { timeoutMs: options.timeout, signal });
  for (const vm of vms) await prove(session, vm, { ...options, signal });
  if (options.kubeconfig === undefined) print(`kubectl: export KUBECONFIG=${stateDir.kubeconfig}`);
  tell(`All of ${file} is up, after ${formatDuration(Date.now() - startedAt)}.`);
}

async function prove(
  session: Session,
  vm: VirtualMachine,
  options: UpOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const ip = vm.status?.ips?.[0];
  const { name } = vm.metadata;
  if (ip === undefined)
    throw new CliUserError(`VM "${name}" is Ready but has no address.`, { fix: [`viv describe vm ${name}`] });
  const user = await guestUser(session.client, vm);
  using board = openBoard();
  try {
    const { stateDir } = session;
    const proof = await proveSsh(
      { vm, ip, user },
      { stateDir, board, timeoutMs: options.timeout, signal: options.signal },
    );
    const identity = Object.keys(userPublicKeys()).length > 0 ? "" : `-i ${stateDir.sshKey} `;
    print(`${name}: ${ip}`);
    print(`  $ uname -a\n  ${proof.uname}`);
    print(`  $ cloud-init status\n  ${proof.cloudInit}`);
    print(`  log in: ${asTyped(`viv ssh ${name}`)}   or   ssh ${identity}${user}@${ip}`);
  } catch (error) {
    if (options.signal.reason instanceof DetachedError) throw detachedError(`VM "${name}"`, [`viv ssh ${name}`]);
    throw error;
  }
}

/** `done-elsewhere` when the rest ran in a child that has the groups which this process lacks. */
async function prepareHost(signal: AbortSignal): Promise<"ready" | "done-elsewhere"> {
  const { newLoginFor } = await runSetup(setupReport(tell), { signal });
  if (newLoginFor.length === 0 || !(await isLibvirtClosedToUs())) return "ready";
  if (findProgram("sg") === undefined || process.env["VIV_IN_SG"] !== undefined) {
    throw new CliUserError("This session may not use libvirt yet.", {
      fix: [newLoginNote(newLoginFor)],
      exit: "manual",
    });
  }
  setupReport(tell).note(
    `a new login has the groups ${newLoginFor.join(" and ")}; this one goes on with \`sg libvirt\``,
  );
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

/** examples/quickstart.yaml, found upwards from this file: the bundle and the sources lie at different depths. */
export function quickStartFile(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, "examples", "quickstart.yaml");
    if (existsSync(file)) return file;
    if (folder === dirname(folder)) {
      throw new CliUserError("The quick-start manifest is not beside this program.", {
        fix: ["Name a manifest with -f FILE."],
        exit: "usage",
      });
    }
    folder = dirname(folder);
  }
}
