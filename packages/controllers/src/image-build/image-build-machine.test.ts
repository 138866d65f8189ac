import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageBuild } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineStatus } from "@vivarium/api";
import { headOf, image } from "../testing/controllers-lab.ts";
import { buildMachine, viewBuildMachine } from "./image-build-machine.ts";

const build: ImageBuild = {
  ...headOf(ImageBuild, "web"),
  metadata: { namespace: "default", name: "web", uid: "b1" },
  spec: { roleRef: { name: "web" } },
};

function stoppedBy(method: NonNullable<VirtualMachineStatus["lastStop"]>["method"]): string | undefined {
  const layer = image("web-1", { source: { layer: { parentRef: { name: "debian" } } } });
  const vm: VirtualMachine = {
    ...buildMachine(build, { image: layer, attempt: 1 }),
    status: { lastStop: { time: "2026-01-01T00:00:00Z", method, message: method } },
  };
  const view = viewBuildMachine(vm, build);
  return view.kind === "present" ? view.stopped : view.kind;
}

test("a machine that went off is lost, but not one whose boot was cut short to be tried again", () => {
  for (const method of ["Guest", "External", "Crashed", "Forced"] as const) {
    assert.equal(stoppedBy(method), `It was stopped before its end: ${method}`);
  }
  assert.equal(stoppedBy("BootRetry"), undefined);
});
