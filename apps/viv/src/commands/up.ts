// `viv up`: from nothing to an SSH prompt. Each step finds out first whether it is needed, so that a second run changes nothing.

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
import { findServer } from "../server/detached-server.ts";
import { ensureServer } from "../setup/ensure-server.ts";
import { quickStartFile } from "../setup/shipped-files.ts";
import { currentStateDir, type StateDir } from "../state-dir.ts";
import { applyManifests, vmKeys } from "./apply.ts";
import { setupReport } from "./setup.ts";

export interface UpOptions extends GlobalOptions {
  readonly filename?: string;
  readonly skipSetup?: boolean;
  readonly serverOnly?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function up(options: UpOptions): Promise<void> {
  const startedAt = Date.now();
  using signal = interruptSignal();
  if (options.serverOnly === true) {
    await serverOnly(currentStateDir(options.stateDir), options, signal);
    return;
  }
  const file = options.filename ?? quickStartFile();
  const manifests = await loadManifests([file]);
  const stateDir = currentStateDir(options.stateDir);
  if (options.kubeconfig === undefined && (await start(stateDir, options, signal)) === "done-elsewhere") return;
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

function start(stateDir: StateDir, options: UpOptions, signal: AbortSignal): ReturnType<typeof ensureServer> {
  return ensureServer(stateDir, { skipSetup: options.skipSetup === true, report: setupReport(tell), signal });
}

/** Says nothing when there is nothing to do: make runs it before each of its targets. */
async function serverOnly(stateDir: StateDir, options: UpOptions, signal: AbortSignal): Promise<void> {
  if (options.kubeconfig !== undefined || process.env["VIV_KUBECONFIG"] !== undefined) return;
  if ((await findServer(stateDir)) === undefined) await start(stateDir, options, signal);
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
