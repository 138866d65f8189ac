// `viv create`: a VM by options instead of a manifest. `--dry-run=client -o yaml` prints the manifest that would do the same.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { isStatus, VirtualMachine } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { ensureLabBase } from "../lab/lab-base.ts";
import { vmManifest, type VmWishes } from "../lab/vm-manifest.ts";
import { asTyped } from "../output/as-typed.ts";
import { print, tell } from "../output/print.ts";
import { qualifiedKind, showObjects } from "../output/show-objects.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { ensureOwnKey, publishKeys } from "../session/ssh-keys.ts";
import { waitForVms } from "../session/wait-for-vms.ts";

interface CreateOptions extends GlobalOptions, VmWishes {
  readonly userData?: string;
  readonly wait?: boolean;
  readonly timeout: number;
  readonly dryRun?: "client";
  readonly output?: "json" | "yaml" | "name";
}

export async function create(name: string, options: CreateOptions): Promise<void> {
  const { userData: file, ...wishes } = options;
  const vm = vmManifest(name, { ...wishes, ...(file === undefined ? {} : { userData: await contentOf(file) }) });
  if (options.dryRun !== undefined) {
    await showObjects([{ kind: VirtualMachine, object: vm }], { format: options.output ?? "name", single: true });
    return;
  }
  await using session = await connect(options);
  using signal = interruptSignal();
  await giveKeys(session);
  for (const label of await ensureLabBase(session, vm, { signal })) tell(`${label} created`);
  const key = { namespace: session.namespace, name };
  const created = await session.client.create(
    VirtualMachine,
    { ...vm, metadata: { ...vm.metadata, ...key } },
    { fieldManager: "viv", signal },
  );
  if (options.output === undefined) print(`${qualifiedKind(VirtualMachine)}/${name} created`);
  else await showObjects([{ kind: VirtualMachine, object: created }], { format: options.output, single: true });
  if (options.wait !== true) return;
  if (options.off === true) return;
  const [ready] = await waitForVms(session, [key], { timeoutMs: options.timeout, signal });
  const address = ready?.status?.ips?.[0];
  tell(`${name}${address === undefined ? " runs" : `: ${address}`}; log in: ${asTyped(`viv ssh ${name}`)}`);
}

async function contentOf(file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CliUserError(`Cannot read ${file}: ${(error as Error).message}`, { exit: "usage", cause: error });
  }
}

/** Keys for the login. Who may not write them can make VMs nevertheless. */
async function giveKeys(session: Session): Promise<void> {
  await ensureOwnKey(session.stateDir);
  try {
    await publishKeys(session.client, session.stateDir);
  } catch (error) {
    if (!isStatus(error, "Forbidden")) throw error;
    tell(`warning: new VMs do not get your SSH keys: ${error.message}`);
  }
}
