// `viv group`: several VMs at once. Each verb is one field of the VMGroup that its controller carries out, and a wait for that.

import { VirtualMachine, VMGroup, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard, type Board } from "../output/board.ts";
import { confirm } from "../output/confirm.ts";
import { print } from "../output/print.ts";
import { qualifiedKind, showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";

interface WaitingOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

type Operation = NonNullable<NonNullable<VMGroup["status"]>["operation"]>;
type Action = Operation["action"];

export async function createGroup(
  name: string,
  words: readonly string[],
  options: GlobalOptions & { readonly selector?: string },
): Promise<void> {
  const members = words.map((word) => memberOf(word));
  if (members.length === 0 && options.selector === undefined) {
    throw new CliUserError("A group of what?", {
      fix: ["viv group create shop db web:db", "viv group create shop -l app=shop"],
      exit: "usage",
    });
  }
  const matchLabels = options.selector === undefined ? undefined : labelsOf(options.selector);
  await using session = await connect(options);
  await session.client.create(VMGroup, {
    apiVersion: `${VMGroup.group}/${VMGroup.version}`,
    kind: VMGroup.kind,
    metadata: { namespace: session.namespace, name },
    spec: {
      ...(members.length === 0 ? {} : { members }),
      ...(matchLabels === undefined ? {} : { selector: { matchLabels } }),
    },
  });
  print(`${qualifiedKind(VMGroup)}/${name} created`);
}

/** `web:db,cache`: web, which needs db and cache. */
function memberOf(word: string): { name: string; dependsOn?: string[] } {
  const [name = "", needed = ""] = word.split(":");
  return needed === "" ? { name } : { name, dependsOn: needed.split(",") };
}

function labelsOf(selector: string): Record<string, string> {
  return Object.fromEntries(
    selector.split(",").map((pair) => {
      const [key = "", value] = pair.split("=");
      if (key !== "" && value !== undefined) return [key, value];
      throw new CliUserError(`Cannot read selector "${selector}".`, { fix: ["Write -l key=value,…"], exit: "usage" });
    }),
  );
}

export async function startGroup(name: string, options: WaitingOptions): Promise<void> {
  await operate(name, "Start", options);
}

export async function stopGroup(name: string, options: WaitingOptions & { readonly force?: boolean }): Promise<void> {
  await operate(name, "Stop", options);
}

export async function snapshotGroup(
  name: string,
  snapshot: string | undefined,
  options: WaitingOptions,
): Promise<void> {
  await operate(name, "Snapshot", { ...options, ...(snapshot === undefined ? {} : { id: snapshot }) });
}

export async function deleteGroup(
  name: string,
  options: WaitingOptions & { readonly yes?: boolean; readonly force?: boolean },
): Promise<void> {
  const { force, ...rest } = options;
  await operate(name, "Delete", { ...rest, isConfirmed: options.yes === true || force === true });
}

export async function groupStatus(
  name: string,
  options: GlobalOptions & { readonly output?: "json" | "yaml" },
): Promise<void> {
  await using session = await connect(options);
  const group = await session.client.get(VMGroup, { namespace: session.namespace, name });
  if (options.output !== undefined) {
    await showObjects([{ kind: VMGroup, object: group }], { format: options.output, single: true });
    return;
  }
  const needs = new Map(group.spec.members?.map((member) => [member.name, member.dependsOn ?? []]));
  const rows = (group.status?.members ?? []).map((member) => [
    member.name,
    member.phase ?? "",
    member.ready ? "yes" : "no",
    needs.get(member.name)?.join(",") ?? "",
    member.message ?? "",
  ]);
  print(textTable(["name", "phase", "ready", "needs", "message"], rows));
  const { operation } = group.status ?? {};
  if (operation !== undefined) print(`\n${operation.action} ${operation.phase}: ${operation.message ?? ""}`);
}

async function operate(
  name: string,
  action: Action,
  options: WaitingOptions & { readonly force?: boolean; readonly id?: string; readonly isConfirmed?: boolean },
): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name };
  const group = await session.client.get(VMGroup, key, { signal });
  if (options.isConfirmed === false) {
    const names = (group.status?.members ?? []).map((member) => member.name).join(", ");
    await confirm(`Delete group "${name}" and its VMs with everything on their disks: ${names}.`, { signal });
  }
  const id = options.id ?? `${action.toLowerCase()}-${stamp(new Date())}`;
  if (group.spec.operation?.id === id) {
    throw new CliUserError(`Group "${name}" has done "${id}" already.`, {
      fix: ["Choose another name."],
      exit: "conflict",
    });
  }
  const operation = { id, action, ...(options.force === true ? { force: true } : { force: null }) };
  await session.client.mergePatch(VMGroup, key, { spec: { operation } }, { fieldManager: "viv", signal });
  if (options.wait === false) {
    print(`vmgroup/${name}: ${action.toLowerCase()} requested`);
    return;
  }
  await waitForOperation(session, key, { ...options, action, id, signal });
}

function stamp(now: Date): string {
  return now.toISOString().slice(0, 23).replaceAll(/[-:.]/g, "").replace("T", "-");
}

export async function waitForOperation(
  session: Session,
  key: Required<ObjectKey>,
  options: {
    readonly timeout: number;
    readonly action: Action;
    readonly id: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { action, id } = options;
  let last: Operation | undefined;
  const operationOf = (group: VMGroup | undefined): Operation | undefined => {
    const { operation } = group?.status ?? {};
    return operation?.id === id ? operation : undefined;
  };
  using board = openBoard();
  const result = await waitForObject(
    session.client,
    { type: VMGroup, key },
    {
      until: (group) => group === undefined || isOver(operationOf(group), action),
      timeoutMs: options.timeout,
      signal: options.signal,
      onChange: (group) => {
        board.remove("server");
        last = operationOf(group) ?? last;
        for (const member of operationOf(group)?.members ?? []) showMember(board, member);
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  const verb = action.toLowerCase();
  switch (result.kind) {
    case "done":
      if (result.object === undefined && action !== "Delete") {
        throw new CliUserError(`Group "${key.name}" was deleted meanwhile.`, { exit: "notFound" });
      }
      if (result.object === undefined) print(`vmgroup/${key.name}: deleted, with its VMs`);
      else sayOutcome(key.name, operationOf(result.object));
      return;
    case "detached":
      throw detachedError(`the ${verb} of group "${key.name}"`, [`viv group status ${key.name}`]);
    case "timeout":
      throw new CliUserError(
        `Group "${key.name}": ${verb} is not done after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${last?.message ?? notSeen}`,
        { fix: [`viv group status ${key.name}`], exit: "timeout" },
      );
  }
}

/** A group that was deleted well is gone a moment later. */
function isOver(operation: Operation | undefined, action: Action): boolean {
  if (operation === undefined || operation.phase === "Running") return false;
  return action !== "Delete" || operation.phase !== "Succeeded";
}

function showMember(board: Board, { name, state, message = "" }: Operation["members"][number]): void {
  const label = `vm/${name}`;
  if (state === "Working" || state === "Waiting") board.set(label, message);
  else board.remove(label);
}

function sayOutcome(name: string, operation: Operation | undefined): void {
  const label = `vmgroup/${name}`;
  const message = operation?.message ?? "";
  if (operation?.phase === "Succeeded") {
    print(`${label}: ${message}`);
    return;
  }
  throw new CliUserError(`${label}: ${message}`, {
    fix: [
      `viv group status ${name}`,
      ...failedOf(operation).map((vm) => `viv describe ${VirtualMachine.shortNames[0] ?? ""} ${vm}`),
    ],
    exit: operation?.phase === "PartiallyFailed" ? "partial" : "failure",
  });
}

function failedOf(operation: Operation | undefined): readonly string[] {
  return (operation?.members ?? []).filter(({ state }) => state === "Failed").map(({ name }) => name);
}
