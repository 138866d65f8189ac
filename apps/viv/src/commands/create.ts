// `viv create`: a VM by options instead of a manifest. `--dry-run=client -o yaml` prints the manifest that would do the same.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { shippedRolesNamespace, VirtualMachine, VMRole } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { giveKeys } from "../lab/give-keys.ts";
import { ensureLabBase } from "../lab/lab-base.ts";
import { vmManifest, type VmWishes } from "../lab/vm-manifest.ts";
import { asTyped } from "../output/as-typed.ts";
import { print, tell } from "../output/print.ts";
import { qualifiedKind, showObjects } from "../output/show-objects.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForVms } from "../session/wait-for-vms.ts";
import { createFromTemplate } from "./create-from-template.ts";

interface CreateOptions extends GlobalOptions, VmWishes {
  readonly template?: string;
  readonly userData?: string;
  readonly wait?: boolean;
  readonly timeout: number;
  readonly dryRun?: "client";
  readonly output?: "json" | "yaml" | "name";
}

export async function create(name: string, options: CreateOptions): Promise<void> {
  if (options.template !== undefined) return createFromTemplate(name, options.template, options);
  const { userData: file, ...wishes } = options;
  const role = options.role === undefined ? undefined : await findRole(options, options.role);
  const vm = vmManifest(
    name,
    { ...wishes, ...(file === undefined ? {} : { userData: await contentOf(file) }) },
    role?.spec.resources,
  );
  if (options.dryRun !== undefined) {
    await showObjects([{ kind: VirtualMachine, object: vm }], { format: options.output ?? "name", single: true });
    return;
  }
  await using session = await connect(options);
  using signal = interruptSignal();
  await giveKeys(session);
  for (const label of await ensureLabBase(session, vm.spec, { signal })) tell(`${label} created`);
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

/** In the VM's namespace, else among those that ship with the product. */
async function findRole(options: GlobalOptions, name: string): Promise<VMRole> {
  await using session = await connect(options);
  const known: string[] = [];
  for (const namespace of [session.namespace, shippedRolesNamespace]) {
    const { items } = await session.client.list(VMRole, { namespace });
    const found = items.find(({ metadata }) => metadata.name === name);
    if (found !== undefined) return found;
    known.push(...items.map(({ metadata }) => metadata.name));
  }
  const there = known.length === 0 ? "This server has no roles." : `There are ${[...new Set(known)].join(", ")}.`;
  throw new CliUserError(`There is no role "${name}".`, { fix: [there], exit: "notFound" });
}

async function contentOf(file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CliUserError(`Cannot read ${file}: ${(error as Error).message}`, { exit: "usage", cause: error });
  }
}
