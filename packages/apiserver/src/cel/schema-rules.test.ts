import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonSchema, ValidationRule } from "../custom-resource-definition.ts";
import { compileRules } from "./schema-rules.ts";

const string: JsonSchema = { type: "string", maxLength: 100 };
const strings: JsonSchema = { type: "array", maxItems: 10, items: string };

/** An object with one of every type, and rules at its root. */
function schemaWith(...rules: readonly ValidationRule[]): JsonSchema {
  return {
    type: "object",
    "x-kubernetes-validations": rules,
    properties: {
      size: { type: "integer" },
      ratio: { type: "number" },
      name: string,
      "with-dash": string,
      namespace: string,
      flag: { type: "boolean" },
      port: { "x-kubernetes-int-or-string": true },
      maybe: { ...string, nullable: true },
      since: { type: "string", format: "date-time" },
      wait: { type: "string", format: "duration" },
      blob: { type: "string", format: "byte", maxLength: 100 },
      tags: strings,
      labels: { type: "object", maxProperties: 10, additionalProperties: string },
      inner: { type: "object", properties: { a: { type: "integer" } } },
      free: { "x-kubernetes-preserve-unknown-fields": true },
    },
  };
}

function failures(rule: string | ValidationRule, object: object, old?: object): string[] {
  const rules = compileRules(schemaWith(typeof rule === "string" ? { rule } : rule));
  assert.deepEqual(rules?.errors, []);
  return rules?.validate(object, old).map((error) => `${error.field}: ${error.message}`) ?? [];
}

const full = {
  apiVersion: "example.dev/v1",
  kind: "Gadget",
  metadata: { name: "a" },
  size: 3,
  ratio: 1.5,
  name: "abc",
  "with-dash": "x",
  namespace: "y",
  flag: true,
  port: 80,
  maybe: null,
  since: "2026-01-01T00:00:00Z",
  wait: "90s",
  blob: "aGk=",
  tags: ["a", "b", "b"],
  labels: { constructor: "c", "a.b/c": "d" },
  inner: { a: 1 },
};

const holding = [
  "self.size == 3 && self.ratio > 1 && self.size < 3.5",
  "self.metadata.name == 'a' && self.kind == 'Gadget'",
  "self.with__dash__dash == 'x' || self.with__dash__dash == 'none' || true",
  "self.__namespace__ == 'y'",
  "has(self.flag) && self.flag",
  "type(self.port) == int ? self.port < 100 : self.port == 'http'",
  "self.maybe == null",
  "self.since < timestamp('2027-01-01T00:00:00Z') && self.since.getFullYear() == 2026",
  "self.wait == duration('1m30s') && self.wait < duration('2h')",
  "string(self.blob) == 'hi'",
  "self.tags.all(t, t.size() == 1) && self.tags.exists_one(t, t == 'a')",
  "self.labels.all(k, self.labels[k].size() == 1) && 'a.b/c' in self.labels",
  "self.inner == self.inner && self.inner.a == 1",
  "self.?inner.?a.orValue(7) == 1",
  // Lists and sets.
  "self.tags.isSorted() && [3, 1].min() == 1 && [1.5, 2.5].max() == 2.5 && [1, 2].sum() == 3",
  "self.tags.indexOf('b') == 1 && self.tags.lastIndexOf('b') == 2 && self.tags.indexOf('z') == -1",
  "self.tags.distinct() == ['a', 'b']",
  "sets.contains(self.tags, ['a']) && sets.equivalent(['a', 'b'], self.tags) && sets.intersects(self.tags, ['b'])",
  // Strings.
  "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
  "'a-b'.replace('-', '_') == 'a_b' && 'abc'.charAt(1) == 'b' && 'abc'.lowerAscii().upperAscii() == 'ABC'",
  "'%s has %d of %.1f'.format(['x', 2, 1.25]) == 'x has 2 of 1.3'",
  "self.name.matches('^[a-c]+$') && 'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b'",
  // URLs.
  "url('https://user@example.com:8443/a%20b?x=1&x=2').getHost() == 'example.com:8443'",
  "url('https://example.com:8443/a').getPort() == '8443' && url('https://[::1]/').getHostname() == '::1'",
  "url('/path?x=1').getEscapedPath() == '/path' && url('/p').getScheme() == '' && url('/p?x=1&x=2').getQuery()['x'] == ['1', '2']",
  "isURL('https://a.b/c') && !isURL('no url')",
  // Networks.
  "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.01') && !isIP('fe80::1%eth0')",
  "ip('127.0.0.1').isLoopback() && ip('::1').family() == 6 && string(ip('2001:db8:0::1')) == '2001:db8::1'",
  "ip('8.8.8.8').isGlobalUnicast() && ip('169.254.1.1').isLinkLocalUnicast() && ip('0.0.0.0').isUnspecified()",
  "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
  "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16')",
  "cidr('10.0.0.0/8').prefixLength() == 8 && isCIDR('::/0') && !isCIDR('10.0.0.0/33')",
  // Quantities.
  "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('0.5').compareTo(quantity('500m')) == 0",
  "quantity('2k').asInteger() == 2000 && quantity('1').add(quantity('1')).sub(1) == quantity('1e0')",
  "isQuantity('1.5Gi') && !isQuantity('1.5 Gi') && quantity('-3').sign() == -1 && !quantity('1m').isInteger()",
  // Formats.
  "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').hasValue()",
  "!format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
  "cel.bind(n, self.size * 2, n == 6)",
];

for (const rule of holding) test(`holds: ${rule}`, () => assert.deepEqual(failures(rule, full), []));

test("a rule that does not hold says its message, or what messageExpression makes of the object", () => {
  assert.deepEqual(failures("self.size > 5", full), [': Invalid value: "object": failed rule: self.size > 5']);
  assert.deepEqual(failures({ rule: "self.size > 5", message: "too small" }, full), [
    ': Invalid value: "object": too small',
  ]);
  const messageExpression = "'size is ' + string(self.size) + ', wanted more than 5'";
  assert.deepEqual(failures({ rule: "self.size > 5", message: "no", messageExpression }, full), [
    ': Invalid value: "object": size is 3, wanted more than 5',
  ]);
  assert.deepEqual(failures({ rule: "self.size > 5", message: "no", messageExpression: "self.tags[9]" }, full), [
    ': Invalid value: "object": no',
  ]);
});

test("reason and fieldPath say where and how it is wrong", () => {
  const rule = { rule: "false", message: "why", fieldPath: ".inner.a" };
  assert.deepEqual(failures({ ...rule, reason: "FieldValueForbidden" }, full), ["inner.a: Forbidden: why"]);
  assert.deepEqual(failures({ ...rule, reason: "FieldValueRequired" }, full), ["inner.a: Required value: why"]);
});

test("what fails while it is evaluated is an error of the rule", () => {
  assert.deepEqual(failures("self.inner.a > 0", { size: 1 }), [
    ': Invalid value: "object": No such key: inner evaluating rule: self.inner.a > 0',
  ]);
});

test("transition rules are asked only where there is an old value", () => {
  assert.deepEqual(failures("self.size >= oldSelf.size", { size: 1 }), []);
  assert.deepEqual(failures("self.size >= oldSelf.size", { size: 1 }, { size: 1 }), []);
  assert.equal(failures("self.size >= oldSelf.size", { size: 1 }, { size: 2 }).length, 1);
  assert.equal(failures("self == oldSelf", { size: 1 }, { size: 2 }).length, 1);
  const optional = { rule: "oldSelf.hasValue() || self.size == 1", optionalOldSelf: true };
  assert.deepEqual(failures(optional, { size: 1 }), []);
  assert.equal(failures(optional, { size: 2 }).length, 1);
  assert.deepEqual(failures(optional, { size: 2 }, { size: 3 }), []);
});

test("old items of a list are found by their keys; what has not changed is not asked again", () => {
  const rules = compileRules({
    type: "object",
    properties: {
      disks: {
        type: "array",
        maxItems: 5,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        items: {
          type: "object",
          required: ["name"],
          properties: { name: string, size: { type: "integer" } },
          "x-kubernetes-validations": [
            { rule: "self.size >= oldSelf.size", message: "cannot shrink" },
            { rule: "self.size > 9", message: "too small" },
          ],
        },
      },
    },
  });
  assert.deepEqual(rules?.errors, []);
  const check = (disks: object[], old: object[]) =>
    rules?.validate({ disks }, { disks: old }).map((error) => `${error.field}: ${error.message}`);
  const [a, b] = [
    { name: "a", size: 5 },
    { name: "b", size: 20 },
  ];
  assert.deepEqual(check([b, a], [a, b]), []);
  assert.deepEqual(check([{ ...b, size: 10 }, a], [a, b]), ['disks[0]: Invalid value: "object": cannot shrink']);
  assert.deepEqual(check([{ ...a, size: 6 }], [a]), ['disks[0]: Invalid value: "object": too small']);
});

const unusable: readonly (readonly [string, ValidationRule, RegExp])[] = [
  ["an unknown field", { rule: "self.nope == 1" }, /\.rule: .*compilation failed: No such key: nope/],
  ["a field without a type", { rule: "self.free == 1" }, /compilation failed: No such key: free/],
  ["an unknown field that it asks for", { rule: "has(self.inner.nope)" }, /compilation failed: No such key: nope/],
  ["types that do not fit", { rule: "self.size == 'a'" }, /compilation failed: no such overload/],
  ["no expression", { rule: "self.size >" }, /compilation failed/],
  ["a rule that is no condition", { rule: "self.size" }, /must evaluate to a bool/],
  [
    "a message that is no text",
    { rule: "true", messageExpression: "self.size" },
    /messageExpression: .*must evaluate to a string/,
  ],
  ["an unknown path", { rule: "true", fieldPath: ".inner.b" }, /fieldPath must be a valid path/],
  ["a pattern that is none", { rule: "self.name.matches('(')" }, /Invalid regular expression/],
  ["optionalOldSelf without use", { rule: "true", optionalOldSelf: true }, /unless the rule uses oldSelf/],
  ["nothing", { rule: " " }, /Required value: rule is not specified/],
];

for (const [what, rule, message] of unusable)
  test(`a rule is refused for ${what}`, () => {
    const [error] = compileRules(schemaWith(rule), "schema")?.errors ?? [];
    assert.match(`${error?.field}: ${error?.message}`, message);
    assert.match(String(error?.field), /^schema\.x-kubernetes-validations\[0\]\./);
  });

test("a rule that could cost too much is refused, and is not when its lists are bounded", () => {
  const listOf = (maxItems: object): JsonSchema => ({
    type: "object",
    properties: { a: { type: "array", ...maxItems, items: { type: "integer" } } },
    "x-kubernetes-validations": [{ rule: "self.a.all(x, self.a.exists_one(y, x == y))" }],
  });
  const [error] = compileRules(listOf({}))?.errors ?? [];
  assert.match(String(error?.message), /estimated rule cost exceeds budget by factor of more than 100x/);
  assert.deepEqual(compileRules(listOf({ maxItems: 100 }))?.errors, []);
});

test("oldSelf cannot be used within a list without keys", () => {
  const rules = compileRules({
    type: "object",
    properties: {
      a: {
        type: "array",
        maxItems: 3,
        items: { type: "integer", "x-kubernetes-validations": [{ rule: "self >= oldSelf" }] },
      },
    },
  });
  assert.match(String(rules?.errors[0]?.message), /uncorrelatable/);
});
