// The VMGroup controller: says how its machines are, and carries out the operation that its spec asks for, once, in the order of what needs
// what. Between operations each machine is its own master: what somebody stops is not started again by its group.

import { formatTime, groupLabel, groupOperationLabel, VirtualMachine, VMGroup, VMSnapshot } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { ignoring } from "../ignoring.ts";
import { requestOf } from "../request-of.ts";
import { deleteGoal, snapshotGoal, startGoal, stopGoal } from "./vm-group-goals.ts";
import { isSelected, memberNamed, readMembers, type GroupMember, type GroupReading } from "./vm-group-members.ts";
import { decideGroup, type Goal, type GroupOperation, type Member } from "./vm-group-plan.ts";
import { groupStatusOf, operationAfter } from "./vm-group-status.ts";

type OperationMember = GroupOperation["members"][number];

export function createVmGroupController({
  manager,
  clock,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
}): Controller {
  const { client, recorder } = manager;
  const groups = manager.cache(VMGroup);
  const machines = manager.cache(VirtualMachine);
  const snapshots = manager.cache(VMSnapshot);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const group = groups.get(request);
    if (group === undefined || group.metadata.deletionTimestamp !== undefined) return undefined;
    const { namespace } = request;
    const machine = (name: string): VirtualMachine | undefined => machines.get({ namespace, name });
    const reading = readMembers(group, machines.list({ namespace }));
    const operation = operationOf(group, reading);
    if (operation === undefined || operation.phase !== "Running") {
      return write(group, { reading, machine, operation, signal });
    }
    const nowMs = clock.now();
    const members = operation.members.map((each) => viewOf(group, each, operation));
    const decision = decideGroup(operation.action, members, nowMs);
    // What is done is recorded first: a machine is known by its uid before it is deleted.
    const after = operationAfter(operation, decision, nowMs);
    await write(group, { reading, machine, operation: after, signal });
    for (const name of decision.act) await act(group, { name, operation: after, signal });
    tell(group, operation, after);
    if (after.action === "Delete" && after.phase === "Succeeded") {
      await ignoring("NotFound", client.delete(VMGroup, request, { signal }));
    }
    return decision.wakeAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, decision.wakeAtMs - nowMs) };
  }

  /** The one that is known already, else a new one with those who are in the group now. */
  function operationOf(group: VMGroup, reading: GroupReading): GroupOperation | undefined {
    const wanted = group.spec.operation;
    const known = group.status?.operation;
    if (wanted === undefined || known?.id === wanted.id) return known;
    const startTime = formatTime(new Date(clock.now()));
    const head = { id: wanted.id, action: wanted.action, startTime };
    if (!reading.ok) {
      const message = `spec.members: ${reading.message}`;
      return { ...head, phase: "Failed", completionTime: startTime, message, members: [] };
    }
    const { namespace = "" } = group.metadata;
    const members = reading.members.map(({ name }): OperationMember => {
      const uid = machines.get({ namespace, name })?.metadata.uid;
      return { name, ...(uid === undefined ? {} : { uid }), state: "Waiting" };
    });
    return { ...head, phase: "Running", members };
  }

  function viewOf(group: VMGroup, recorded: OperationMember, operation: GroupOperation): Member {
    const there = new Set(operation.members.map(({ name }) => name));
    const member = memberNamed(group, recorded.name);
    const { name, state, since, message } = recorded;
    return {
      ...member,
      dependsOn: member.dependsOn.filter((each) => there.has(each)),
      name,
      state,
      sinceMs: since === undefined ? undefined : Date.parse(since),
      message,
      goal: goalOf(group, { member, recorded, operation }),
    };
  }

  function goalOf(
    group: VMGroup,
    of: { readonly member: GroupMember; readonly recorded: OperationMember; readonly operation: GroupOperation },
  ): Goal {
    const { member, recorded, operation } = of;
    const { namespace = "" } = group.metadata;
    const vm = machines.get({ namespace, name: member.name });
    switch (operation.action) {
      case "Start":
        return startGoal(vm, member.readyWhen);
      case "Stop":
        return stopGoal(vm, offState(group));
      case "Delete":
        return deleteGoal(vm, recorded.uid);
      case "Snapshot":
        return snapshotGoal(vm, snapshots.get({ namespace, name: snapshotName(member.name, operation) }), operation);
    }
  }

  async function act(
    group: VMGroup,
    {
      name,
      operation,
      signal,
    }: { readonly name: string; readonly operation: GroupOperation; readonly signal: AbortSignal },
  ): Promise<void> {
    const { namespace = "" } = group.metadata;
    const key = { namespace, name };
    const vm = machines.get(key);
    if (vm === undefined) return;
    const power = async (powerState: string): Promise<void> => {
      if ((vm.spec.powerState ?? "On") === powerState) return;
      await ignoring("NotFound", client.mergePatch(VirtualMachine, key, { spec: { powerState } }, { signal }));
    };
    switch (operation.action) {
      case "Start":
        return power("On");
      case "Stop":
        // One that is off, in whichever way, stays as it is declared.
        return vm.spec.powerState === "Off" ? undefined : power(offState(group));
      case "Delete": {
        const uid = operation.members.find((each) => each.name === name)?.uid;
        if (vm.metadata.uid !== uid || uid === undefined || vm.metadata.deletionTimestamp !== undefined) return;
        await ignoring("NotFound", client.delete(VirtualMachine, key, { signal, uid }));
        return;
      }
      case "Snapshot":
        return snapshot(group, { vm, operation, signal });
    }
  }

  async function snapshot(
    group: VMGroup,
    {
      vm,
      operation,
      signal,
    }: { readonly vm: VirtualMachine; readonly operation: GroupOperation; readonly signal: AbortSignal },
  ): Promise<void> {
    const { namespace = "" } = group.metadata;
    const name = snapshotName(vm.metadata.name, operation);
    if (snapshots.get({ namespace, name }) !== undefined) return;
    const labels = { [groupLabel]: group.metadata.name, [groupOperationLabel]: operation.id };
    const object: VMSnapshot = {
      apiVersion: `${VMSnapshot.group}/${VMSnapshot.version}`,
      kind: VMSnapshot.kind,
      metadata: { namespace, name, labels },
      spec: { vmRef: { name: vm.metadata.name } },
    };
    await ignoring("AlreadyExists", client.create(VMSnapshot, object, { signal }));
  }

  async function write(
    group: VMGroup,
    facts: {
      readonly reading: GroupReading;
      readonly machine: (name: string) => VirtualMachine | undefined;
      readonly operation: GroupOperation | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<undefined> {
    const { signal, ...rest } = facts;
    const status = groupStatusOf(group, { ...rest, nowMs: clock.now() });
    await writeStatus(client, { type: VMGroup, object: group, status }, { signal });
    return undefined;
  }

  function tell(group: VMGroup, before: GroupOperation, after: GroupOperation): void {
    const states = new Map(before.members.map(({ name, state }) => [name, state]));
    for (const { name, state, message = "" } of after.members) {
      if (state !== "Failed" || states.get(name) === "Failed") continue;
      recorder.record(group, { type: "Warning", reason: `${after.action}Failed`, message: `VM ${name}: ${message}` });
    }
    if (after.phase === "Running") return;
    const type = after.phase === "Succeeded" ? "Normal" : "Warning";
    recorder.record(group, { type, reason: `${after.action}${after.phase}`, message: after.message ?? "" });
  }

  function groupsOf(namespace: string, isConcerned: (group: VMGroup) => boolean): readonly ReconcileRequest[] {
    return groups
      .list({ namespace })
      .filter((group) => isConcerned(group))
      .map((group) => requestOf(group));
  }

  return {
    name: "vm-group",
    for: VMGroup,
    related: [
      related(VirtualMachine, (vm) => {
        const { namespace = "", name } = vm.metadata;
        return groupsOf(
          namespace,
          (group) =>
            isSelected(group, vm) ||
            [
              ...(group.spec.members ?? []),
              ...(group.status?.members ?? []),
              ...(group.status?.operation?.members ?? []),
            ].some((each) => each.name === name),
        );
      }),
      related(VMSnapshot, ({ metadata }) => {
        const name = metadata.labels?.[groupLabel];
        return name === undefined ? [] : [{ namespace: metadata.namespace ?? "", name }];
      }),
    ],
    reconcile,
  };
}

function offState(group: VMGroup): "Off" | "OffGraceful" {
  return group.spec.operation?.force === true ? "Off" : "OffGraceful";
}

function snapshotName(vm: string, { id }: GroupOperation): string {
  return `${vm}-${id}`;
}
