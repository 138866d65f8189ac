import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusError } from "@vivarium/api";
import { ConnectionError } from "@vivarium/client";
import { CliUserError } from "./cli-error.ts";
import { reportOf } from "./report-error.ts";

test("the exit code follows from the kind of error", () => {
  const exits: [unknown, string][] = [
    [new StatusError("NotFound", "m"), "notFound"],
    [new StatusError("AlreadyExists", "m"), "conflict"],
    [new StatusError("Conflict", "m"), "conflict"],
    [new StatusError("Invalid", "m"), "invalid"],
    [new StatusError("Forbidden", "m"), "failure"],
    [new ConnectionError("Refused", "m"), "unreachable"],
    [new CliUserError("m", { exit: "timeout" }), "timeout"],
    [new TypeError("m"), "failure"],
  ];
  for (const [error, exit] of exits) assert.equal(reportOf(error).exit, exit, String(error));
});

test("all wrong fields of an object are listed", () => {
  const causes = ["spec.cpu", "spec.memory"].map((field) => ({
    reason: "FieldValueInvalid" as const,
    field,
    message: "wrong",
  }));
  const { message } = reportOf(new StatusError("Invalid", "is invalid", { details: { causes } }));
  assert.match(message, /spec\.cpu: wrong\n {2}spec\.memory: wrong/);
});

test("a user's error has no stack, a bug has", () => {
  assert.equal(reportOf(new CliUserError("m")).stack, undefined);
  assert.notEqual(reportOf(new TypeError("m")).stack, undefined);
});
