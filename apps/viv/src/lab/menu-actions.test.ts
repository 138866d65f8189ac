import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { program } from "../program.ts";
import { argumentsFor, choicesFor, createArguments } from "./menu-actions.ts";

function machine(powerState: "On" | "Off"): VirtualMachine {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name: "web" },
    spec: {},
    status: { powerState },
  };
}

test("what is offered is what makes sense", () => {
  const offered = (power: "On" | "Off") => choicesFor(machine(power)).map(({ value }) => value);
  assert.ok(offered("On").includes("stop") && !offered("On").includes("start"));
  assert.ok(offered("Off").includes("start") && !offered("Off").includes("ssh"));
});

test("every choice is a command that there is", () => {
  const names = program().commands.map((command) => command.name());
  const lines = [...choicesFor(machine("On")), ...choicesFor(machine("Off"))].map(({ value }) =>
    argumentsFor(value, "web"),
  );
  for (const [command] of [...lines, createArguments("web", "docker")]) assert.ok(names.includes(command ?? ""));
  assert.deepEqual(createArguments("web", undefined), ["create", "--wait", "--", "web"]);
});
