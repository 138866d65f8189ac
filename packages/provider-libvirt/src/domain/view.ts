// What is read back from a domain's XML.

import type { VmIdentity } from "@vivarium/provider";
import { parseLimits } from "../sizing/limits.ts";
import type { LimitsView } from "../sizing/limits.ts";
import { bytesAt, find, findAll, parseXml, textAt } from "../xml/element.ts";
import { parseDisk } from "./disks.ts";
import type { DiskView } from "./disks.ts";
import { readMark } from "./identity.ts";
import { parseNic } from "./nics.ts";
import type { NicView } from "./nics.ts";
import { readSnapshotRecord } from "../snapshots/record.ts";
import type { SnapshotRecord } from "../snapshots/record.ts";

export interface DomainView {
  readonly name: string;
  readonly uuid: string;
  readonly mark: VmIdentity | undefined;
  readonly type: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly maxCpus: number;
  readonly maxMemoryBytes: number;
  readonly limits: LimitsView;
  readonly nics: readonly NicView[];
  readonly disks: readonly DiskView[];
  /** Whether the guest agent has its channel open. */
  readonly agentConnected: boolean;
  /** The NVRAM file; undefined for BIOS. */
  readonly nvram: string | undefined;
  readonly isEfi: boolean;
  readonly hasTpm: boolean;
  readonly snapshots: SnapshotRecord;
}

export function parseDomainXml(xml: string): DomainView {
  const root = parseXml(xml);
  const vcpu = find(root, "vcpu");
  const hasBalloon = find(root, "currentMemory") !== undefined;
  return {
    name: textAt(root, "name") ?? "",
    uuid: textAt(root, "uuid") ?? "",
    mark: readMark(root),
    type: root.attributes["type"] ?? "",
    cpus: Number(vcpu?.attributes["current"] ?? vcpu?.text ?? 0),
    // While it runs, what the balloon leaves to the guest.
    memoryBytes: bytesAt(root, { path: [hasBalloon ? "currentMemory" : "memory"], defaultUnit: "KiB" }),
    maxCpus: Number(vcpu?.text ?? 0),
    maxMemoryBytes: bytesAt(root, { path: ["memory"], defaultUnit: "KiB" }),
    limits: parseLimits(root),
    nics: findAll(root, "devices", "interface").map(parseNic),
    disks: findAll(root, "devices", "disk").map(parseDisk),
    agentConnected: findAll(root, "devices", "channel").some((channel) => {
      const target = find(channel, "target")?.attributes;
      return target?.["name"] === "org.qemu.guest_agent.0" && target["state"] === "connected";
    }),
    nvram: textAt(root, "os", "nvram"),
    isEfi: find(root, "os")?.attributes["firmware"] === "efi" || find(root, "os", "nvram") !== undefined,
    hasTpm: find(root, "devices", "tpm") !== undefined,
    snapshots: readSnapshotRecord(root),
  };
}
