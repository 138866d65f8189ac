import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualMachine, VMImage, type ResourceType } from "@vivarium/api";
import { installationFindings, type CheckedInstallation } from "./installation-checks.ts";

const good: CheckedInstallation = {
  stateDir: { path: "/state", isOpenToOthers: false },
  clock: { nowMs: 1e12, lastWriteMs: 1e12 - 5_000, isSynchronized: true },
  objects: { providers: [], images: [], machines: [] },
};

function head(type: ResourceType, name: string) {
  return { apiVersion: `${type.group}/${type.version}`, kind: type.kind, metadata: { namespace: "default", name } };
}

test("a good installation has nothing to mend", () => {
  assert.ok(installationFindings(good).every(({ state, fix }) => state === "ok" && fix === undefined));
});

test("what is wrong comes with how to mend it", () => {
  const image: VMImage = {
    ...head(VMImage, "broken"),
    spec: { source: {} },
    status: { phase: "Failed", message: "404" },
  };
  const vm: VirtualMachine = { ...head(VirtualMachine, "web"), spec: { imageRef: { name: "gone" } } };
  const findings = installationFindings({
    stateDir: { path: "/state", isOpenToOthers: true },
    clock: { ...good.clock, lastWriteMs: 1e12 + 7_200_000 },
    objects: { providers: [], images: [image], machines: [vm] },
  });
  assert.deepEqual(
    findings.map(({ name, state }) => `${name} ${state}`),
    ["config missing", "clock missing", "image broken warning", "vm web warning"],
  );
  assert.match(findings[1]?.found ?? "", /^7200 s behind/);
  assert.ok(findings.every(({ fix }) => fix !== undefined));
});

test("a clock that nobody keeps is a warning, and one of which nobody tells is none", () => {
  const state = (isSynchronized: boolean | undefined) =>
    installationFindings({ ...good, clock: { ...good.clock, isSynchronized } })[1]?.state;
  assert.equal(state(false), "warning");
  assert.equal(state(undefined), "ok");
});
