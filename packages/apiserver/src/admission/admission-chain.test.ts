import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusError } from "@vivarium/api";
import { openTestServer, widget, widgetsPath } from "../testing/test-server.ts";
import type { AdmissionPlugin, AdmissionRequest, WriteOutcome } from "./admission-plugin.ts";

class Recorder implements AdmissionPlugin {
  readonly name = "Recorder";
  readonly asked: AdmissionRequest[] = [];
  readonly outcomes: WriteOutcome[] = [];
  isInterested({ resource }: { readonly resource: { readonly plural: string } }): boolean {
    return resource.plural === "widgets";
  }
  admit(request: AdmissionRequest): (outcome: WriteOutcome) => void {
    this.asked.push(request);
    return (outcome) => this.outcomes.push(outcome);
  }
}

const refusing: AdmissionPlugin = {
  name: "Refusing",
  isInterested: ({ operation }) => operation !== "CONNECT",
  admit({ object, oldObject, warnings }) {
    if ((object ?? oldObject)?.metadata.labels?.["forbidden"] === undefined) return undefined;
    warnings.push("think again");
    throw new StatusError("Forbidden", "no");
  },
};

test("plugins see each write after defaulting, with the old object, and learn how it ended", async () => {
  const recorder = new Recorder();
  const { call, server } = await openTestServer({ admission: [recorder] });
  await call("POST", widgetsPath, { body: widget("a") });
  await call("POST", widgetsPath, { body: widget("a") });
  await call("PATCH", `${widgetsPath}/a/status`, {
    body: { status: { phase: "x" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  await call("DELETE", `${widgetsPath}/a?dryRun=All`);
  await call("DELETE", `${widgetsPath}/a`);
  await call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } },
  });
  assert.deepEqual(
    recorder.asked.map(({ operation, subresource, object, oldObject, isDryRun, user }) => [
      operation,
      subresource,
      object?.metadata.name,
      oldObject?.metadata.name,
      isDryRun,
      user.name,
    ]),
    [
      ["CREATE", undefined, "a", undefined, false, "tester"],
      ["CREATE", undefined, "a", undefined, false, "tester"],
      ["UPDATE", "status", "a", "a", false, "tester"],
      ["DELETE", undefined, undefined, "a", true, "tester"],
      ["DELETE", undefined, undefined, "a", false, "tester"],
    ],
  );
  assert.deepEqual(recorder.outcomes, ["written", "unwritten", "written", "written", "written"]);
  assert.deepEqual(recorder.asked[0]?.object?.["spec"], { size: 1, color: "red" }, "defaulted");
  await server.close();
});

test("a refusal writes nothing, carries its warnings, and gives back what earlier plugins set aside", async () => {
  const recorder = new Recorder();
  const { call, server } = await openTestServer({ admission: [recorder, refusing] });
  const refused = await call("POST", widgetsPath, { body: widget("a", { metadata: { labels: { forbidden: "" } } }) });
  assert.deepEqual([refused.status, refused.headers["warning"]], [403, ['299 - "think again"']]);
  assert.deepEqual(recorder.outcomes, ["unwritten"]);
  assert.equal((await call("GET", `${widgetsPath}/a`)).status, 404);
  await server.close();
});
