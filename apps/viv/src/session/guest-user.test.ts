import assert from "node:assert/strict";
import { test } from "node:test";
import { userOf } from "./guest-user.ts";

test("the user that cloud-config names is the one to log in as", () => {
  assert.equal(userOf({ user: "ada" }), "ada");
  assert.equal(userOf({ user: { name: "ada" } }), "ada");
  assert.equal(userOf({ system_info: { default_user: { name: "ada" } } }), "ada");
  assert.equal(userOf({ users: [{ name: "ada" }, { name: "bob" }] }), "ada");
});

test("where the distribution's user stays, cloud-config names none", () => {
  assert.equal(userOf({ users: ["default", { name: "ada" }] }), undefined);
  assert.equal(userOf({}), undefined);
  assert.equal(userOf(undefined), undefined);
  assert.equal(userOf("#!/bin/sh"), undefined);
});
