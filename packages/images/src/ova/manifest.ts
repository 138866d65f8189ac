// The manifest of an OVF package: `SHA256(disk.vmdk)= 9f86…`, one file a line.
// https://www.dmtf.org/dsp/DSP0243 (OVF 2.1, 6.1)

export interface ManifestEntry {
  readonly file: string;
  readonly algorithm: "sha1" | "sha256" | "sha512";
  /** Lower case. */
  readonly hex: string;
}

/** Throws RangeError, with the line, for one that it cannot read. */
export function parseManifest(text: string): readonly ManifestEntry[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [, name = "", file = "", hex = ""] = /^(SHA-?\d+) ?\((.+)\) ?= ?([0-9a-f]+)\s*$/i.exec(line) ?? [];
    const algorithm = algorithmOf(name);
    if (algorithm === undefined || hex.length !== hexDigits[algorithm]) {
      throw new RangeError(`its manifest has the line ${JSON.stringify(line.slice(0, 200))}`);
    }
    return { file, algorithm, hex: hex.toLowerCase() };
  });
}

const hexDigits = { sha1: 40, sha256: 64, sha512: 128 } as const;

function algorithmOf(name: string): ManifestEntry["algorithm"] | undefined {
  switch (name.toUpperCase().replace("-", "")) {
    case "SHA1":
      return "sha1";
    case "SHA256":
      return "sha256";
    case "SHA512":
      return "sha512";
    default:
      return undefined;
  }
}
