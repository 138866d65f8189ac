import assert from "node:assert/strict";
import { test } from "node:test";
import { Namespace, Provider, VirtualMachine, VMClass, VMImage } from "@vivarium/api";
import { deletionTurns } from "./deletion-turns.ts";

test("machines go first, and the way to the hypervisor when nothing is left on it", () => {
  const targets = [Provider, VMImage, VirtualMachine, Namespace, VMClass].map((kind) => ({ kind }));
  assert.deepEqual(
    deletionTurns(targets).map((turn) => turn.map(({ kind }) => kind.kind)),
    [["VirtualMachine"], ["VMImage", "VMClass"], ["Provider", "Namespace"]],
  );
});
