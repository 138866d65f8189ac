// The cloud-init NoCloud seed: what a guest learns about itself at its first boot.
// https://cloudinit.readthedocs.io/en/22.4.2/topics/datasources/nocloud.html

import { writeIso } from "./iso9660.ts";
import type { IsoFile } from "./iso9660.ts";
import type { NetworkConfig } from "./network-config.ts";

export interface SeedMetaData {
  /** cloud-init runs its per-instance work again when this changes. */
  readonly instanceId: string;
  readonly localHostname: string;
  /** OpenSSH public keys of the image's default user. */
  readonly publicKeys: readonly string[];
  /** More keys of meta-data, laid over the ones above. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface SeedSpec {
  /** As the user wrote it, or bytes (gzip); empty or absent gives an empty `#cloud-config`. */
  readonly userData?: string | Uint8Array;
  readonly metaData: SeedMetaData;
  /** Absent: cloud-init's own default, DHCP on the first interface. A string is the user's own YAML. */
  readonly networkConfig?: NetworkConfig | string;
  readonly vendorData?: string;
}

/** The bytes of a disk to attach as a virtio disk; Debian's cloud kernel has no AHCI, so a SATA CD-ROM would not be seen. */
export function buildSeed(spec: SeedSpec): Uint8Array {
  const { instanceId, localHostname, publicKeys, extra } = spec.metaData;
  const metaData = { "instance-id": instanceId, "local-hostname": localHostname, "public-keys": publicKeys, ...extra };
  const files: IsoFile[] = [
    file("meta-data", json(metaData)),
    file("user-data", spec.userData === undefined || spec.userData === "" ? "#cloud-config\n{}\n" : spec.userData),
  ];
  if (spec.networkConfig !== undefined) {
    files.push(
      file("network-config", typeof spec.networkConfig === "string" ? spec.networkConfig : json(spec.networkConfig)),
    );
  }
  if (spec.vendorData !== undefined) files.push(file("vendor-data", spec.vendorData));
  return writeIso({ volumeId: "cidata", files });
}

function file(name: string, content: string | Uint8Array): IsoFile {
  if (typeof content !== "string") return { name, content };
  // Compressed data that came as one character a byte stays what it is.
  return { name, content: Buffer.from(content, content.startsWith("\u001f\u008b") ? "latin1" : "utf8") };
}

/** JSON that is YAML too: PyYAML refuses the control characters that JSON allows unescaped. */
function json(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  // eslint-disable-next-line no-control-regex -- exactly these are meant
  const escaped = text.replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `${escaped}\n`;
}
