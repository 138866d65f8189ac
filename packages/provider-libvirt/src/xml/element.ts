// XML as a tree of elements. All XML sent to libvirt is built from this tree and escaped in one place, so that no name or path can
// ever become markup.

import { XMLParser } from "fast-xml-parser";

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** All text directly inside, in one piece. */
  readonly text: string;
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A child that is undefined or false is left out, which keeps conditions inside the tree. */
type Content = string | readonly (XmlElement | undefined | false)[];

/** Attributes that are undefined are left out. */
export function element(name: string, attributes: Attributes = {}, content: Content = []): XmlElement {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) kept[key] = String(value);
  }
  return typeof content === "string"
    ? { name, attributes: kept, children: [], text: content }
    : {
        name,
        attributes: kept,
        children: content.filter((child) => child !== undefined && child !== false),
        text: "",
      };
}

// https://www.w3.org/TR/xml/#charsets: these cannot be written in XML 1.0, not even as a reference.
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const unwritable = /[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // Parsers turn these into a space or a line feed unless they are written as references.
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

function escape(value: string): string {
  if (unwritable.test(value)) {
    throw new RangeError(`Cannot write ${JSON.stringify(value)} as XML: it has a character that XML 1.0 does not have`);
  }
  return value.replaceAll(/[&<>"\t\n\r]/gu, (character) => escapes[character] ?? character);
}

/** Two spaces a level, one element a line: what golden files and people can read. */
export function renderXml(root: XmlElement, indent = ""): string {
  const attributes = Object.entries(root.attributes)
    .map(([key, value]) => ` ${key}="${escape(value)}"`)
    .join("");
  const open = `${indent}<${root.name}${attributes}`;
  if (root.children.length > 0) {
    const inner = root.children.map((child) => renderXml(child, `${indent}  `)).join("");
    return `${open}>\n${inner}${indent}</${root.name}>\n`;
  }
  return root.text === "" ? `${open}/>\n` : `${open}>${escape(root.text)}</${root.name}>\n`;
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  // Also switches on numeric references.
  htmlEntities: true,
});

/** Throws RangeError when there is no root element. */
export function parseXml(text: string): XmlElement {
  const roots = childrenOf(parser.parse(text) as ParsedNode[]);
  const [root] = roots;
  if (root === undefined || roots.length !== 1) {
    throw new RangeError(`Cannot read XML: found ${roots.length} root elements, expected 1`);
  }
  return root;
}

// What fast-xml-parser gives with preserveOrder: `{ "<tag>": [children], ":@": {attributes} }` or `{ "#text": "…" }`.
type ParsedNode = Readonly<Record<string, unknown>>;

function childrenOf(nodes: readonly ParsedNode[]): XmlElement[] {
  return nodes.flatMap((node) => {
    const name = Object.keys(node).find((key) => key !== ":@" && key !== "#text");
    if (name === undefined) return [];
    const inner = node[name] as ParsedNode[];
    const children = childrenOf(inner);
    const pieces = inner.map((child) => (typeof child["#text"] === "string" ? child["#text"] : ""));
    const text = pieces.join("");
    const attributes = (node[":@"] ?? {}) as Record<string, string>;
    // White space between elements is layout, not text.
    return [{ name, attributes, children, text: children.length > 0 && text.trim() === "" ? "" : text }];
  });
}

/** All elements at this path below `root`, in order. */
export function findAll(root: XmlElement, ...path: readonly string[]): readonly XmlElement[] {
  let found: readonly XmlElement[] = [root];
  for (const name of path) found = found.flatMap((parent) => parent.children.filter((child) => child.name === name));
  return found;
}

export function find(root: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  return findAll(root, ...path)[0];
}

/** The text at this path, without surrounding white space; undefined when there is no such element. */
export function textAt(root: XmlElement, ...path: readonly string[]): string | undefined {
  return find(root, ...path)?.text.trim();
}

const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

/** A size with libvirt's `unit` attribute, in bytes: https://libvirt.org/formatdomain.html#memory-allocation */
export function bytesAt(root: XmlElement, options: { path: readonly string[]; defaultUnit: string }): number {
  const found = find(root, ...options.path);
  const unit = found?.attributes["unit"] ?? options.defaultUnit;
  return Number(found?.text.trim() ?? 0) * (unitBytes[unit] ?? Number.NaN);
}
