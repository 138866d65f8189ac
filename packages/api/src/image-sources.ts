// The one internal form of where an image comes from. VMImage has several spellings (`spec.source.libvirt`, `spec.libvirt`,
// `spec.source.http`, …); only this form is used further in.

import { pathToFileURL } from "node:url";
import { parseDuration } from "./duration.ts";
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
  /** For the download alone; as for the other steps when absent. */
  readonly timeoutMs?: number;
  /** What the server is shown, by the names of Secrets in the image's namespace; absent when it asks for nothing. */
  readonly credentials?: readonly ImageCredential[];
}

export type ImageCredential =
  | {
      readonly kind: "basic";
      readonly secret: string;
      readonly usernameKey: string;
      readonly passwordKey: string;
    }
  | { readonly kind: "bearer"; readonly secret: string; readonly tokenKey: string }
  /** Each entry of the Secret is a header. */
  | { readonly kind: "headers"; readonly secret: string }
  | { readonly kind: "certificate"; readonly secret: string; readonly certKey: string; readonly keyKey: string };

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

/** How the image is kept, where it is not kept as it comes. */
export interface StoredImageForm {
  readonly format?: "qcow2" | "raw";
  readonly isCompressed?: true;
}

export type DeclaredImageSource = (PublishedImage | DebianBuild) & { readonly stored?: StoredImageForm };

/**
 * The sources a libvirt provider can use, the preferred first: published images, then the local build. Empty when the spec
 * has none. Throws InvalidValueError for a checksum, a size or credentials that cannot be, and for formats that contradict each other.
 */
export function imageSourcesOf(spec: VMImageSpec): readonly DeclaredImageSource[] {
  const stored = storedFormOf(spec);
  return placesOf(spec).map((place) => (stored === undefined ? place : { ...place, stored }));
}

function placesOf(spec: VMImageSpec): readonly DeclaredImageSource[] {
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
  if (http !== undefined) {
    const headers = http.headers === undefined ? {} : { headers: http.headers };
    const timeout = http.timeout === undefined ? {} : { timeoutMs: parseDuration(http.timeout) };
    const access = { ...headers, ...timeout, ...credentialsOf(http) };
    sources.push({ kind: "url", url: http.url, ...access, ...(verify && checksumOf(http, "spec.source.http")) });
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
  return paths;
}

type HttpSource = NonNullable<NonNullable<VMImageSpec["source"]>["http"]>;

function credentialsOf({ url, headers, authentication }: HttpSource): Pick<PublishedImage, "credentials"> {
  const field = "spec.source.http.authentication";
  const { basicAuth, bearer, clientCert, headers: given } = authentication ?? {};
  const credentials: readonly ImageCredential[] = [
    ...(basicAuth === undefined
      ? []
      : [
          {
            kind: "basic" as const,
            secret: basicAuth.secretRef.name,
            usernameKey: basicAuth.usernameKey ?? "username",
            passwordKey: basicAuth.passwordKey ?? "password",
          },
        ]),
    ...(bearer === undefined
      ? []
      : [{ kind: "bearer" as const, secret: bearer.secretRef.name, tokenKey: bearer.tokenKey ?? "token" }]),
    ...(given === undefined ? [] : [{ kind: "headers" as const, secret: given.secretRef.name }]),
    ...(clientCert === undefined
      ? []
      : [
          {
            kind: "certificate" as const,
            secret: clientCert.secretRef.name,
            certKey: clientCert.certKey ?? "tls.crt",
            keyKey: clientCert.keyKey ?? "tls.key",
          },
        ]),
  ];
  if (credentials.length === 0) return {};
  const hasHeader = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === "authorization");
  const told = [basicAuth !== undefined && "basicAuth", bearer !== undefined && "bearer", hasHeader && "headers"];
  const names = told.filter((name) => name !== false);
  if (names.length > 1) {
    throw new InvalidValueError(`${names.join(" and ")} each give an Authorization header, expected one`, { field });
  }
  if (clientCert !== undefined && !/^https:/i.test(url)) {
    throw new InvalidValueError("A certificate is shown over https alone, expected such a URL", { field });
  }
  return { credentials };
}

function storedFormOf({ prepare }: VMImageSpec): StoredImageForm | undefined {
  const { storage, optimization } = prepare ?? {};
  const { preferredFormat } = storage ?? {};
  const { convertFormat } = optimization ?? {};
  if (preferredFormat !== undefined && convertFormat !== undefined && preferredFormat !== convertFormat) {
    throw new InvalidValueError(`${convertFormat}, and spec.prepare.storage.preferredFormat is ${preferredFormat}`, {
      field: "spec.prepare.optimization.convertFormat",
    });
  }
  const format = preferredFormat ?? convertFormat;
  const isCompressed = storage?.compression === true || optimization?.enableCompression === true;
  if (format !== undefined && format !== "qcow2" && format !== "raw") return undefined;
  if (isCompressed && format === "raw") {
    throw new InvalidValueError("A raw image cannot be kept compressed, expected qcow2", {
      field: "spec.prepare.storage.preferredFormat",
    });
  }
  if (format === undefined && !isCompressed) return undefined;
  return { ...(format === undefined ? {} : { format }), ...(isCompressed ? { isCompressed } : {}) };
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
