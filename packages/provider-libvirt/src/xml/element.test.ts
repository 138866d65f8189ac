import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { bytesAt, element, findAll, parseXml, renderXml, textAt } from "./element.ts";

const writable = fc
  .string({ unit: "binary", maxLength: 40 })
  .filter((text) => /^[\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u.test(text));
const markup = fc
  .array(
    fc.constantFrom("<", ">", "&", "&amp;", "&lt;", "&copy;", "&#65;", "]]>", "<!--", '"', "'", "\r\n", " ", "%", "a"),
  )
  .map((pieces) => pieces.join(""));

test("every string survives the way into XML and back", () => {
  fc.assert(
    fc.property(fc.oneof(writable, markup), fc.oneof(writable, markup), (attribute, text) => {
      const xml = renderXml(element("a", { b: attribute }, text));
      const back = parseXml(xml);
      assert.equal(back.attributes["b"], attribute);
      assert.equal(back.text, text);
      assert.equal(back.children.length, 0);
    }),
    { numRuns: 2000 },
  );
});

test("a character that XML does not have is refused", () => {
  assert.throws(() => renderXml(element("a", {}, "\u0000")), RangeError);
  assert.throws(() => renderXml(element("a", { b: "\uD800" })), RangeError);
});

test("undefined attributes and children are left out", () => {
  const tree = element("a", { b: undefined, c: 1 }, [undefined, false, element("d")]);
  assert.equal(renderXml(tree), '<a c="1">\n  <d/>\n</a>\n');
});

test("elements are found by path, text without layout", () => {
  const root = parseXml("<?xml version='1.0'?><!-- x --><a>\n <b><c>1</c></b>\n <b><c> 2 </c></b>\n</a>");
  assert.deepEqual(
    findAll(root, "b", "c").map((found) => found.text),
    ["1", " 2 "],
  );
  assert.equal(textAt(root, "b", "c"), "1");
  assert.equal(textAt(root, "z"), undefined);
  assert.equal(root.text, "");
});

test("sizes are read with their unit", () => {
  const root = parseXml("<d><memory unit='MiB'>2</memory><plain>3</plain></d>");
  assert.equal(bytesAt(root, { path: ["memory"], defaultUnit: "KiB" }), 2 * 2 ** 20);
  assert.equal(bytesAt(root, { path: ["plain"], defaultUnit: "KiB" }), 3 * 2 ** 10);
});
