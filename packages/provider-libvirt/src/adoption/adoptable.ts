// What a domain of somebody else's is, read from its XML. Pure.

import type { AdoptableDisk, AdoptableDomain } from "@vivarium/provider";
import type { Power } from "../domain/power.ts";
import { parseDomainXml } from "../domain/view.ts";
import { find, findAll, parseXml, textAt } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

export interface DomainFacts {
  readonly power: Power;
  readonly isPersistent: boolean;
  /** By target; absent where the host does not tell. */
  readonly sizes: ReadonlyMap<string, number>;
}

export function adoptableOf(xml: string, { power, isPersistent, sizes }: DomainFacts): AdoptableDomain {
  const root = parseXml(xml);
  const view = parseDomainXml(xml);
  const title = textAt(root, "title");
  return {
    uid: view.uuid,
    name: view.name,
    isOn: power.power !== "off",
    power: power.power,
    isPersistent,
    cpus: view.cpus,
    memoryBytes: view.memoryBytes,
    ...(view.mark === undefined ? {} : { owner: view.mark }),
    ...(title === undefined ? {} : { title }),
    metadata: metadataOf(root),
    disks: disksIn(root).map((disk) => diskOf(disk, sizes)),
    nics: view.nics.map(({ mac, network, bridge }) => ({
      mac,
      ...(network === undefined ? {} : { source: { network } }),
      ...(network === undefined && bridge !== undefined ? { source: { bridge } } : {}),
    })),
  };
}

/** Targets of the disks whose size can be asked for. */
export function diskTargetsIn(xml: string): readonly string[] {
  return disksIn(parseXml(xml)).flatMap((disk) => find(disk, "target")?.attributes["dev"] ?? []);
}

/** Without CD-ROM and floppy drives. */
function disksIn(root: XmlElement): readonly XmlElement[] {
  return findAll(root, "devices", "disk").filter(({ attributes }) => (attributes["device"] ?? "disk") === "disk");
}

function diskOf(disk: XmlElement, sizes: ReadonlyMap<string, number>): AdoptableDisk {
  const target = find(disk, "target")?.attributes["dev"] ?? "";
  const { file, dev, dir, name, pool, volume } = find(disk, "source")?.attributes ?? {};
  const path = file ?? dev ?? dir ?? name ?? (pool === undefined ? undefined : `${pool}/${volume ?? ""}`);
  const sizeBytes = sizes.get(target);
  return {
    target,
    ...(path === undefined ? {} : { path }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    isReadOnly: find(disk, "readonly") !== undefined,
  };
}

function metadataOf(root: XmlElement): Readonly<Record<string, string>> {
  const entries = (find(root, "metadata")?.children ?? []).map((child): [string, string] => {
    const prefix = child.name.includes(":") ? (child.name.split(":")[0] ?? "") : "";
    const uri = child.attributes[prefix === "" ? "xmlns" : `xmlns:${prefix}`] ?? child.name;
    return [uri, wordsOf(child).join(" ")];
  });
  return Object.fromEntries(entries);
}

/** Every name, value and text inside, in their order. */
function wordsOf({ name, attributes, children, text }: XmlElement): readonly string[] {
  const values = Object.entries(attributes).flatMap(([key, value]) =>
    key === "xmlns" || key.startsWith("xmlns:") ? [] : [`${key}=${value}`],
  );
  return [name.slice(name.indexOf(":") + 1), ...values, text.trim(), ...children.flatMap(wordsOf)].filter(
    (word) => word !== "",
  );
}
