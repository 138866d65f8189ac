import assert from "node:assert/strict";
import { test } from "node:test";
import { isStatus } from "@vivarium/api";
import { openTestServer, shown, widgetsPath } from "../testing/test-server.ts";
import { parseLabelSelector, type Labels } from "./label-selector.ts";

const cases: readonly (readonly [selector: string, matching: readonly Labels[], others: readonly Labels[]])[] = [
  ["a=b", [{ a: "b" }], [{ a: "c" }, {}]],
  ["a == b", [{ a: "b" }], [{ a: "c" }]],
  ["a!=b", [{ a: "c" }, {}], [{ a: "b" }]],
  ["a in (b, c)", [{ a: "b" }, { a: "c" }], [{ a: "d" }, {}]],
  ["a notin (b,c)", [{ a: "d" }, {}], [{ a: "b" }]],
  ["a in (,b)", [{ a: "" }, { a: "b" }], [{ a: "c" }]],
  ["a", [{ a: "" }], [{}]],
  ["!a", [{}], [{ a: "" }]],
  ["a,!b,c=d", [{ a: "", c: "d" }], [{ a: "", b: "", c: "d" }]],
  ["a>5", [{ a: "6" }], [{ a: "5" }, { a: "x" }, {}]],
  ["a<5", [{ a: "4" }], [{ a: "5" }, { a: "" }]],
  ["in in (in, notin)", [{ in: "notin" }], [{ in: "x" }]],
  ["a=", [{ a: "" }], [{ a: "b" }, {}]],
];

for (const [selector, matching, others] of cases)
  test(`${selector} selects what it says`, () => {
    const matches = parseLabelSelector(selector);
    for (const labels of matching) assert.equal(matches?.(labels), true, JSON.stringify(labels));
    for (const labels of others) assert.equal(matches?.(labels), false, JSON.stringify(labels));
  });

// What k8s.io/apimachinery/pkg/labels answers.
const wrong: readonly (readonly [selector: string, message: string | RegExp])[] = [
  ["a=b=c", "found '=', expected: ',' or 'end of string'"],
  ["a=b c", "found 'c', expected: ',' or 'end of string'"],
  ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ["a in b", "unable to parse requirement: found 'b' expected: '('"],
  ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
  [",a", "found ',', expected: !, identifier, or 'end of string'"],
  ["a,", "found '', expected: identifier after ','"],
  ["a in ()", /values set can't be empty$/],
  [
    "a>x",
    "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
  ],
  ["-a=b", /^unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of/],
  ["a=-b", /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-b": a valid label must be/],
];

for (const [selector, message] of wrong)
  test(`${selector} is refused in Kubernetes' words`, () => {
    assert.throws(
      () => parseLabelSelector(selector),
      (error: unknown) =>
        isStatus(error, "BadRequest") &&
        (typeof message === "string" ? error.message === message : message.test(error.message)),
    );
  });

test("field selectors of a kind are its own; others are refused in lists, watches and collections alike", async () => {
  const { call, server } = await openTestServer();
  const message = async (method: "GET" | "DELETE", path: string): Promise<string> => {
    const { status, body } = await call(method, path);
    assert.equal(status, 400);
    return shown(body["message"]);
  };
  for (const [method, query] of [
    ["GET", ""],
    ["GET", "&watch=true"],
    ["DELETE", ""],
  ] as const)
    assert.equal(
      await message(method, `${widgetsPath}?fieldSelector=spec.size%3D1${query}`),
      "field label not supported: spec.size",
    );
  assert.equal(
    await message("GET", "/api/v1/namespaces/default/configmaps?fieldSelector=data.x%3D1"),
    '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
  assert.equal(await message("GET", "/api/v1/events?fieldSelector=message%3Dx"), "field label not supported: message");
  assert.equal(
    await message("GET", `${widgetsPath}?fieldSelector=metadata.name%3Da,b`),
    "invalid selector: 'metadata.name=a,b'; can't understand 'b'",
  );
  assert.equal(
    await message("GET", `${widgetsPath}?fieldSelector=metadata.name%3Da%5Cb`),
    "invalid field selector: invalid escape sequence: \\b",
  );
  await server.close();
});
