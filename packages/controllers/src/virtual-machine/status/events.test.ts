import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { machine } from "../../testing/controllers-lab.ts";
import type { PowerWish } from "../plan/input.ts";
import type { Step } from "../plan/step.ts";
import type { VmRecord } from "../record.ts";
import { eventOfStep, eventsOfStatus } from "./events.ts";

const made: VmRecord = { stops: 0, madeOn: "default/lab" };
const start: Step = { kind: "Start", isPaused: false, isFromMemory: false };

function told(step: Step, record: VmRecord, { power = "On", wasAbsent = false }: Partial<Facts> = {}): string[] {
  const event = eventOfStep(step, { record, power, wasAbsent, isRestart: false });
  return event === undefined ? [] : [event.reason, event.message];
}

interface Facts {
  readonly power: PowerWish;
  readonly wasAbsent: boolean;
}

test("a new machine that is started is one piece of news: made, where, and on", () => {
  const define = { kind: "Define", definition: {} } as Step;
  assert.deepEqual(told(define, made, { wasAbsent: true }), []);
  assert.deepEqual(told(start, made), ["Started", 'Made on Provider "default/lab" and powered on']);
  assert.deepEqual(told(define, made, { wasAbsent: true, power: "Off" }), [
    "Created",
    'Disks, seed and domain are made on Provider "default/lab"',
  ]);
});

test("a later start says no more than that", () => {
  assert.deepEqual(told(start, { ...made, runningSinceMs: 1 }), ["Started", "Powered on"]);
  const lastStop = { method: "Guest", timeMs: 1, message: "It shut itself down" } as const;
  assert.deepEqual(told(start, { ...made, lastStop }), ["Started", "Powered on"]);
});

test("fields that have no effect are told of once, with the first status", () => {
  const plain = machine("web", { imageRef: { name: "v1" } });
  const vm: VirtualMachine = {
    ...plain,
    spec: { ...plain.spec, lifecycle: { preStop: { exec: { command: ["x"] } } } },
  };
  const reasons = (each: VirtualMachine): string[] => eventsOfStatus(each, {}).map(({ reason }) => reason);
  assert.deepEqual(reasons(vm), ["NotApplied"]);
  assert.deepEqual(reasons({ ...vm, status: {} }), []);
  assert.deepEqual(reasons(plain), []);
});
