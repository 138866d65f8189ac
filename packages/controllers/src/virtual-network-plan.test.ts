import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import type { NetworkDefinition, NetworkObservation } from "@vivarium/provider";
import { decideNetwork } from "./virtual-network-plan.ts";
import type { NetworkInput, NetworkStep } from "./virtual-network-plan.ts";

const ref = { kind: "made", uid: "u", name: "lab" } as const;
const settings = { isAutostarted: true, ranges: [], leases: [], dnsHosts: [] };
const definition: NetworkDefinition = {
  owner: { uid: "u", namespace: "default", name: "lab" },
  name: "lab",
  mode: "isolated",
  subnets: ["192.0.2.1/24"],
  settings,
};
const present: Extract<NetworkObservation, { kind: "present" }> = {
  kind: "present",
  isActive: true,
  isDefined: true,
  shape: { mode: "isolated", bridge: "virbr1", subnets: ["192.0.2.1/24"] },
  settings,
  leases: [],
  users: [],
};
const made: NetworkInput = {
  nowMs: 0,
  isDeleting: false,
  hasFinalizer: true,
  isForcedDelete: false,
  target: { kind: "create", ref, definition, leaseProblems: [] },
  provider: "default/local",
  madeOn: "default/local",
  seen: present,
  machines: [],
  users: [],
  done: new Set(),
};
const unavailable = { kind: "unavailable", error: new ProviderError("Unavailable", "no answer") } as const;
const adopted = { kind: "adopt", ref: { kind: "adopted", name: "default" } } as const;
const cutOff = { ...present, users: [{ name: "web", uid: "w", isCutOff: true as const }] };

/** The step, or what it settled on. */
function told(step: NetworkStep): string {
  if (step.kind !== "Settle") return step.kind;
  const { situation } = step;
  return situation.kind === "Problem" ? situation.problem.reason : situation.kind;
}

for (const [what, change, expected] of [
  ["as declared", {}, "Ready"],
  ["without finalizer", { hasFinalizer: false }, "AddFinalizer"],
  ["absent", { seen: { kind: "absent" } }, "Check"],
  [
    "absent, checked, not yet placed",
    { seen: { kind: "absent" }, madeOn: "", done: new Set(["Check"]) },
    "RecordPlacement",
  ],
  ["absent, checked and placed", { seen: { kind: "absent" }, done: new Set(["Check"]) }, "Create"],
  ["foreign", { seen: { kind: "foreign", reason: "r" } }, "NameConflict"],
  ["out of reach", { seen: unavailable }, "Unavailable"],
  [
    "on a hypervisor without networks",
    { seen: { kind: "unavailable", error: new ProviderError("Unsupported", "none") } },
    "Unsupported",
  ],
  ["stopped", { seen: { ...present, isActive: false } }, "Start"],
  ["undefined while it runs", { seen: { ...present, isDefined: false } }, "Create"],
  ["of another mode", { seen: { ...present, shape: { ...present.shape, mode: "nat" } } }, "InvalidSpec"],
  ["with other settings", { seen: { ...present, settings: { ...settings, isAutostarted: false } } }, "Update"],
  [
    "with other settings after an update",
    { seen: { ...present, settings: { ...settings, isAutostarted: false } }, done: new Set(["Update"]) },
    "NotApplied",
  ],
  ["with a machine cut off", { seen: cutOff }, "Reconnect"],
  ["with a machine still cut off", { seen: cutOff, done: new Set(["Reconnect"]) }, "MachinesCutOff"],
  ["adopted", { target: adopted }, "Ready"],
  ["adopted and absent", { target: adopted, seen: { kind: "absent" } }, "NetworkNotFound"],
  ["adopted and stopped", { target: adopted, seen: { ...present, isActive: false } }, "Inactive"],
  ["adopted, with a machine cut off", { target: adopted, seen: cutOff }, "Reconnect"],
  ["deleted", { isDeleting: true }, "Remove"],
  ["deleted while a spec names it", { isDeleting: true, machines: ["VirtualMachine/web"] }, "InUse"],
  ["deleted while a domain is plugged in", { isDeleting: true, users: ["domain/x"] }, "InUse"],
  ["deleted and gone", { isDeleting: true, seen: { kind: "absent" } }, "RemoveFinalizer"],
  ["deleted, and another's", { isDeleting: true, seen: { kind: "foreign", reason: "r" } }, "RemoveFinalizer"],
  ["deleted, out of reach", { isDeleting: true, seen: unavailable }, "Unavailable"],
  ["deleted by force, out of reach", { isDeleting: true, isForcedDelete: true, seen: unavailable }, "RemoveFinalizer"],
  ["adopted and deleted", { isDeleting: true, target: adopted }, "RemoveFinalizer"],
  [
    "deleted, though its declaration became wrong",
    { isDeleting: true, target: { kind: "problem", problem: { reason: "InvalidSpec", message: "" }, ref } },
    "Remove",
  ],
  ["deleted, finalizer gone", { isDeleting: true, hasFinalizer: false }, "Gone"],
] as const satisfies readonly (readonly [string, Partial<NetworkInput>, string])[]) {
  test(`a network ${what}: ${expected}`, () => {
    assert.equal(told(decideNetwork({ ...made, ...change })), expected);
  });
}
