import assert from "node:assert/strict";
import { test } from "node:test";
import { isProviderError } from "@vivarium/provider";
import type { ProviderErrorCode, SnapshotRequest } from "@vivarium/provider";
import { planSnapshot } from "./method.ts";
import type { SnapshotPlan, SnapshotSubject } from "./method.ts";

const subject: SnapshotSubject = {
  isOn: true,
  power: "running",
  hasSavedMemory: false,
  agentConnected: false,
  firmware: "BIOS",
  hasTpm: false,
  own: ["root"],
  volumes: [],
  strange: [],
  has: new Set(),
};
const request: SnapshotRequest = { uid: "u", name: "s", memory: false, quiesce: "if-possible" };
const off = { isOn: false, power: "off" };
const volumes = [{ disk: "data", format: "qcow2" }];

type Row = readonly [string, Partial<SnapshotSubject>, Partial<SnapshotRequest>];

const taken: readonly (readonly [...Row, SnapshotPlan])[] = [
  ["disks alone, without agent", {}, {}, { method: "external", consistency: "crash" }],
  ["disks alone, with agent", { agentConnected: true }, {}, { method: "external", consistency: "filesystem" }],
  [
    "with agent, unasked for",
    { agentConnected: true },
    { quiesce: "never" },
    { method: "external", consistency: "crash" },
  ],
  ["with memory", {}, { memory: true }, { method: "external", consistency: "memory" }],
  ["UEFI with memory", { firmware: "UEFI" }, { memory: true }, { method: "external", consistency: "memory" }],
  ["UEFI, off", { ...off, firmware: "UEFI" }, {}, { method: "external", consistency: "off" }],
  ["off, though memory is asked for", off, { memory: true }, { method: "external", consistency: "off" }],
  ["Volumes stay out", { volumes }, {}, { method: "external", consistency: "crash" }],
  ["memory and qcow2 Volumes", { volumes }, { memory: true }, { method: "internal", consistency: "memory" }],
  ["inside, as asked", off, { method: "internal" }, { method: "internal", consistency: "off" }],
  [
    "inside, with others inside",
    { has: new Set(["internal"]) },
    { memory: true },
    { method: "internal", consistency: "memory" },
  ],
  ["a TPM with memory", { hasTpm: true }, { memory: true }, { method: "external", consistency: "memory" }],
];

for (const [rule, given, asked, expected] of taken) {
  test(`taken: ${rule}`, () => {
    assert.deepEqual(planSnapshot("web", { ...subject, ...given }, { ...request, ...asked }), expected);
  });
}

const refused: readonly (readonly [...Row, ProviderErrorCode, RegExp])[] = [
  ["quiesce without agent", {}, { quiesce: "required" }, "Conflict", /agent is not connected/],
  [
    "quiesce while paused",
    { power: "paused", agentConnected: true },
    { quiesce: "required" },
    "Conflict",
    /it is paused/,
  ],
  ["a guest on its way down", { power: "shutting-down" }, {}, "Conflict", /shutting-down/],
  ["memory saved to disk", { ...off, hasSavedMemory: true }, {}, "Conflict", /saved to disk/],
  ["files of somebody else", { strange: ["root"] }, {}, "Conflict", /root/],
  ["no disk", { own: [] }, {}, "Unsupported", /no disk/],
  ["a TPM without memory", { hasTpm: true }, {}, "Unsupported", /TPM/],
  [
    "memory and raw Volumes",
    { volumes: [{ disk: "data", format: "raw" }] },
    { memory: true },
    "Unsupported",
    /not qcow2/,
  ],
  [
    "UEFI with memory and Volumes",
    { volumes, firmware: "UEFI" },
    { memory: true },
    "Unsupported",
    /life of their own.*raw file/,
  ],
  ["inside while it runs, without memory", {}, { method: "internal" }, "Unsupported", /while the VM runs/],
  ["inside under UEFI", { ...off, firmware: "UEFI" }, { method: "internal" }, "Unsupported", /UEFI/],
  ["both kinds, one way", { has: new Set(["internal"]) }, { method: "external" }, "Conflict", /do not mix/],
  ["both kinds, the other way", { has: new Set(["external"]) }, { method: "internal" }, "Conflict", /do not mix/],
];

for (const [rule, given, asked, code, why] of refused) {
  test(`refused: ${rule}`, () => {
    assert.throws(
      () => planSnapshot("web", { ...subject, ...given }, { ...request, ...asked }),
      (error) => isProviderError(error, code) && why.test(error.message),
    );
  });
}
