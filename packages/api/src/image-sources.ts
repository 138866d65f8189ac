// The one internal form of where an image comes from. VMImage has several spellings (`spec.source.libvirt`, `spec.libvirt`,
// `spec.source.http`, …); only this form is used further in.

import { pathToFileURL } from "node:url";
import { InvalidValueError } from "./invalid-value-error.ts";
import { parseQuantity } from "./quantity.ts";
import type { VMImageSpec } from "./vm-image.ts";

export interface PublishedImage {
  readonly kind: "url";
  /** http:, https:, ftp: or file:. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent when there is none, or when the spec says not to verify it. */
  readonly checksum?: ImageChecksum;
}

export interface ImageChecksum {
  readonly algorithm: "md5" | "sha1" | "sha256" | "sha512";
  /** Lower case. */
  readonly hex: string;
}

export interface DebianBuild {
  readonly kind: "debootstrap";
  readonly suite?: string;
  readonly packages: readonly string[];
  readonly diskBytes: number;
}

export type DeclaredImageSource = PublishedImage | DebianBuild;

/**
 * The sources a libvirt provider can use, the preferred first: published images, then the local build. Empty when the spec
 * has none. Throws InvalidValueError for a checksum or a size that cannot be.
 */
export function imageSourcesOf(spec: VMImageSpec): readonly DeclaredImageSource[] {
  const verify = spec.prepare?.validateChecksum ?? true;
  const sources: DeclaredImageSource[] = [];
  for (const [field, libvirt] of [
    ["spec.source.libvirt", spec.source?.libvirt],
    ["spec.libvirt", spec.libvirt],
  ] as const) {
    const url = libvirt?.url ?? (libvirt?.path === undefined ? undefined : pathToFileURL(libvirt.path).href);
    if (libvirt === undefined || url === undefined) continue;
    sources.push({ kind: "url", url, ...(verify && checksumOf(libvirt, field)) });
  }
  const http = spec.source?.http;
  if (http !== undefined && http.authentication === undefined) {
    const headers = http.headers === undefined ? {} : { headers: http.headers };
    sources.push({ kind: "url", url: http.url, ...headers, ...(verify && checksumOf(http, "spec.source.http")) });
  }
  const build = spec.source?.debootstrap;
  if (build !== undefined) {
    sources.push({
      kind: "debootstrap",
      ...(build.suite === undefined ? {} : { suite: build.suite }),
      packages: build.packages ?? [],
      diskBytes: parseQuantity(build.diskSize ?? "4Gi"),
    });
  }
  return sources;
}

/** Paths of the sources in the spec that no provider here can use. */
export function unusableImageSourcesOf(spec: VMImageSpec): readonly string[] {
  const paths: string[] = [];
  if (spec.vsphere !== undefined) paths.push("spec.vsphere");
  const source = spec.source ?? {};
  for (const name of ["vsphere", "proxmox", "registry", "dataVolume"] as const) {
    if (source[name] !== undefined) paths.push(`spec.source.${name}`);
  }
  if (source.http?.authentication !== undefined) paths.push("spec.source.http.authentication");
  return paths;
}

const hexDigits = { md5: 32, sha1: 40, sha256: 64, sha512: 128 } as const;

function checksumOf(
  declared: { readonly checksum?: string; readonly checksumType?: ImageChecksum["algorithm"] },
  parent: string,
): { readonly checksum?: ImageChecksum } {
  if (declared.checksum === undefined || declared.checksum === "") return {};
  const [, prefix, digits = ""] = /^(?:([a-z0-9]+):)?(.*)$/i.exec(declared.checksum.trim()) ?? [];
  const field = `${parent}.checksum`;
  const algorithm = prefix === undefined ? (declared.checksumType ?? "sha256") : prefix.toLowerCase();
  if (!isAlgorithm(algorithm)) {
    throw new InvalidValueError(`Cannot verify ${algorithm} checksums: expected md5, sha1, sha256 or sha512`, {
      field,
    });
  }
  const hex = digits.toLowerCase();
  if (hex.length !== hexDigits[algorithm] || !/^[0-9a-f]+$/.test(hex)) {
    throw new InvalidValueError(
      `Cannot read ${algorithm} checksum "${digits}": expected ${hexDigits[algorithm]} hexadecimal digits`,
      { field },
    );
  }
  return { checksum: { algorithm, hex } };
}

function isAlgorithm(word: string): word is ImageChecksum["algorithm"] {
  return Object.hasOwn(hexDigits, word);
}
