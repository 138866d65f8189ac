// The storage pool that holds everything made here: https://libvirt.org/formatstorage.html

import { bytesAt, element, parseXml, renderXml, textAt } from "./xml/element.ts";

export function buildPoolXml(pool: { readonly name: string; readonly path: string }): string {
  return renderXml(
    element("pool", { type: "dir" }, [
      element("name", {}, pool.name),
      element("target", {}, [element("path", {}, pool.path)]),
    ]),
  );
}

export interface PoolView {
  readonly type: string;
  /** Directory of the pool; empty for pools without one. */
  readonly path: string;
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

export function parsePoolXml(xml: string): PoolView {
  const root = parseXml(xml);
  return {
    type: root.attributes["type"] ?? "",
    path: textAt(root, "target", "path") ?? "",
    capacityBytes: bytesAt(root, { path: ["capacity"], defaultUnit: "bytes" }),
    availableBytes: bytesAt(root, { path: ["available"], defaultUnit: "bytes" }),
  };
}
