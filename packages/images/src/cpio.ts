// Writes a cpio archive in the `newc` format, the one that Linux unpacks as its initramfs.
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode?: number }
  | { readonly kind: "file"; readonly path: string; readonly mode?: number; readonly content: Uint8Array }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
      readonly kind: "device";
      readonly path: string;
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

/** Owned by root, dated 1970, in the order given: parents go first. Paths are relative, without a leading slash. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const [index, entry] of entries.entries()) parts.push(record(index + 1, entry));
  parts.push(record(0, { kind: "file", path: "TRAILER!!!", mode: 0, content: new Uint8Array(0) }));
  return Buffer.concat(parts);
}

const typeBits = { directory: 0o040_000, file: 0o100_000, symlink: 0o120_000, device: 0o020_000 } as const;
const defaultModes = { directory: 0o755, file: 0o644, symlink: 0o777, device: 0o600 } as const;

function record(inode: number, entry: CpioEntry): Buffer {
  const isTrailer = inode === 0;
  const permissions = entry.kind === "symlink" ? defaultModes.symlink : (entry.mode ?? defaultModes[entry.kind]);
  const content = contentOf(entry);
  const name = Buffer.from(`${entry.path}\0`);
  const device = entry.kind === "device" ? [entry.major, entry.minor] : [0, 0];
  const fields = [
    inode,
    isTrailer ? 0 : typeBits[entry.kind] | permissions,
    0, // uid
    0, // gid
    entry.kind === "directory" ? 2 : 1,
    0, // mtime
    content.length,
    0, // device of the archive itself
    0,
    ...device,
    name.length,
    0, // checksum: not in this variant
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([header, name, padding(header.length + name.length), content, padding(content.length)]);
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === "file") return entry.content;
  return entry.kind === "symlink" ? Buffer.from(entry.target) : new Uint8Array(0);
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
