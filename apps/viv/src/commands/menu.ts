// `viv menu`: the everyday commands by choosing instead of typing. Each is shown as it would be typed, and run as a process of its own.

import { spawn } from "node:child_process";
import * as prompts from "@clack/prompts";
import { shippedRolesNamespace, VirtualMachine, VMRole } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { argumentsFor, choicesFor, createArguments, type MenuAction } from "../lab/menu-actions.ts";
import { whyNoName } from "../lab/vm-manifest.ts";
import { asTyped } from "../output/as-typed.ts";
import { connect } from "../session/connect.ts";

const makeOne = "make a VM";
const leave = "leave";

export async function menu(options: GlobalOptions): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new CliUserError("A menu needs a terminal.", { fix: ["viv --help"], exit: "usage" });
  }
  prompts.intro("Vivarium");
  for (;;) {
    const { machines, roles } = await lookAround(options);
    const chosen = await prompts.select<string>({
      message: "Which VM?",
      options: [
        ...machines.map((vm) => ({
          value: vm.metadata.name,
          label: vm.metadata.name,
          hint: vm.status?.phase ?? "Pending",
        })),
        { value: `+${makeOne}`, label: "Make a new one" },
        { value: `+${leave}`, label: "Leave" },
      ],
    });
    if (prompts.isCancel(chosen) || chosen === `+${leave}`) break;
    const vm = machines.find(({ metadata }) => metadata.name === chosen);
    const args = vm === undefined ? await askForNew(roles) : await askWhat(vm);
    if (args !== undefined) await run(withServer(args, options), args);
  }
  prompts.outro("VMs go on running.");
}

async function lookAround(
  options: GlobalOptions,
): Promise<{ machines: readonly VirtualMachine[]; roles: readonly string[] }> {
  await using session = await connect(options);
  const { client, namespace } = session;
  const [machines, ...roles] = await Promise.all([
    client.list(VirtualMachine, { namespace }),
    client.list(VMRole, { namespace }),
    client.list(VMRole, { namespace: shippedRolesNamespace }),
  ]);
  const names = roles.flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
  return { machines: machines.items, roles: [...new Set(names)].sort() };
}

async function askForNew(roles: readonly string[]): Promise<readonly string[] | undefined> {
  const name = await prompts.text({ message: "Its name?", validate: (text) => whyNoName(text ?? "") });
  if (prompts.isCancel(name)) return undefined;
  const plain = "plain Debian";
  const role = await prompts.select<string>({
    message: "What for?",
    options: [plain, ...roles].map((value) => ({ value, label: value })),
  });
  if (prompts.isCancel(role)) return undefined;
  return createArguments(name, role === plain ? undefined : role);
}

async function askWhat(vm: VirtualMachine): Promise<readonly string[] | undefined> {
  const action = await prompts.select<MenuAction>({
    message: `${vm.metadata.name}: what?`,
    options: choicesFor(vm).map(({ value, label }) => ({ value, label })),
  });
  return prompts.isCancel(action) ? undefined : argumentsFor(action, vm.metadata.name);
}

/** With the server and the namespace of the menu's own, before the names. */
function withServer(
  args: readonly string[],
  { namespace, stateDir, kubeconfig, context }: GlobalOptions,
): readonly string[] {
  const at = args.indexOf("--");
  const given = { "--namespace": namespace, "--state-dir": stateDir, "--kubeconfig": kubeconfig, "--context": context };
  const options = Object.entries(given).flatMap(([option, value]) => (value === undefined ? [] : [option, value]));
  return [...args.slice(0, at), ...options, ...args.slice(at)];
}

function run(args: readonly string[], shown: readonly string[]): Promise<void> {
  prompts.log.step(`$ ${asTyped(`viv ${shown.join(" ")}`)}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], { stdio: "inherit" });
    // Ctrl-C is the command's; it says what becomes of the work.
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("SIGINT", ignore);
      if (code !== 0) prompts.log.warn(`It ended with code ${code ?? "unknown"}.`);
      resolve();
    });
  });
}
