// Writes a small ISO 9660 image with Rock Ridge (Linux) and Joliet (Windows) names.
//
// A cloud-init seed is four small text files on a disk labelled `cidata`. Writing it here needs no tool on the host,
// takes under a millisecond, and gives the same bytes for the same files, so that a seed can be compared by digest.
// One flat root directory is all that a seed needs. ECMA-119 numbers are in parentheses.

const sectorBytes = 2048;
const encoder = new TextEncoder();

export interface IsoFile {
  /** As the guest will see it, for example `user-data`. At most 64 characters (Joliet's limit). */
  readonly name: string;
  readonly content: Uint8Array;
}

export interface IsoSpec {
  /** At most 16 characters, so that Joliet can carry it too. */
  readonly volumeId: string;
  readonly files: readonly IsoFile[];
}

interface PlacedFile {
  readonly name: string;
  readonly isoName: string;
  readonly content: Uint8Array;
  readonly sector: number;
}

type Naming = "rockRidge" | "joliet";

const primarySector = 16;
const jolietSector = 17;
const terminatorSector = 18;
const pathTables = { rockRidge: { little: 19, big: 20 }, joliet: { little: 21, big: 22 } } as const;
const firstDirectorySector = 23;

export function writeIso(spec: IsoSpec): Uint8Array {
  checkSpec(spec);
  const isoNames = shortNames(spec.files.map((file) => file.name));
  const unplaced = spec.files.map((file, index) => ({ ...file, isoName: isoNames[index] ?? "", sector: 0 }));

  // Sizes of records do not depend on where files lie, so that a dry run tells how long each directory gets.
  const rockRidgeSectors = directory(unplaced, { naming: "rockRidge", sector: 0, sectors: 1 }).length / sectorBytes;
  const jolietSectors = directory(unplaced, { naming: "joliet", sector: 0, sectors: 1 }).length / sectorBytes;
  const rockRidgeRoot = { naming: "rockRidge", sector: firstDirectorySector, sectors: rockRidgeSectors } as const;
  const jolietRoot = {
    naming: "joliet",
    sector: firstDirectorySector + rockRidgeSectors,
    sectors: jolietSectors,
  } as const;

  let next = jolietRoot.sector + jolietSectors;
  const files = unplaced.map((file): PlacedFile => {
    const sector = next;
    next += Math.ceil(file.content.length / sectorBytes);
    return { ...file, sector };
  });

  const image = new Uint8Array(next * sectorBytes);
  const put = (sector: number, bytes: Uint8Array): void => image.set(bytes, sector * sectorBytes);
  put(primarySector, volumeDescriptor(spec.volumeId, { totalSectors: next, root: rockRidgeRoot }));
  put(jolietSector, volumeDescriptor(spec.volumeId, { totalSectors: next, root: jolietRoot }));
  put(terminatorSector, Uint8Array.of(255, 0x43, 0x44, 0x30, 0x30, 0x31, 1));
  for (const root of [rockRidgeRoot, jolietRoot]) {
    put(pathTables[root.naming].little, pathTable(root.sector, true));
    put(pathTables[root.naming].big, pathTable(root.sector, false));
    put(root.sector, directory(files, root));
  }
  for (const file of files) put(file.sector, file.content);
  return image;
}

function checkSpec({ volumeId, files }: IsoSpec): void {
  if (!/^[A-Za-z0-9_-]{1,16}$/.test(volumeId)) {
    throw new RangeError(
      `Cannot write ISO image: volume id is ${JSON.stringify(volumeId)}, expected 1-16 of A-Za-z0-9_-`,
    );
  }
  const seen = new Set<string>();
  for (const { name } of files) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(name) || name === "." || name === ".." || seen.has(name)) {
      throw new RangeError(
        `Cannot write ISO image: file name is ${JSON.stringify(name)}, expected 1-64 of A-Za-z0-9._- used once`,
      );
    }
    seen.add(name);
  }
}

interface Root {
  readonly naming: Naming;
  readonly sector: number;
  readonly sectors: number;
}

/** Level 1 names, 8.3 in capitals, made unique by a number: `user-data` → `USER_DAT.;1`. (7.5) */
function shortNames(names: readonly string[]): readonly string[] {
  const used = new Set<string>();
  return names.map((name) => {
    const clean = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    let short = clean.slice(0, 8);
    for (let n = 1; used.has(short); n += 1) short = clean.slice(0, 8 - String(n).length) + String(n);
    used.add(short);
    return `${short}.;1`;
  });
}

/** (8.4), and (8.5) for Joliet. */
function volumeDescriptor(volumeId: string, { totalSectors, root }: { totalSectors: number; root: Root }): Uint8Array {
  const isJoliet = root.naming === "joliet";
  const bytes = new Uint8Array(sectorBytes);
  const text = (offset: number, length: number, value: string): void => {
    const encoded = isJoliet ? ucs2(value.padEnd(length >> 1)) : encoder.encode(value.padEnd(length));
    bytes.set(encoded.subarray(0, length), offset);
  };
  bytes[0] = isJoliet ? 2 : 1;
  bytes.set(encoder.encode("CD001"), 1);
  bytes[6] = 1;
  text(8, 32, "");
  text(40, 32, volumeId);
  bytes.set(both32(totalSectors), 80);
  if (isJoliet) bytes.set(encoder.encode("%/E"), 88); // UCS-2 level 3
  bytes.set(both16(1), 120); // volume set size
  bytes.set(both16(1), 124); // volume sequence number
  bytes.set(both16(sectorBytes), 128);
  bytes.set(both32(10), 132); // path table size: the root alone
  const view = new DataView(bytes.buffer);
  view.setUint32(140, pathTables[root.naming].little, true);
  view.setUint32(148, pathTables[root.naming].big, false);
  bytes.set(
    directoryRecord(Uint8Array.of(0), { sector: root.sector, size: root.sectors * sectorBytes, isDirectory: true }),
    156,
  );
  text(190, 623, ""); // volume set, publisher, preparer, application and file identifiers
  for (const offset of [813, 830]) bytes.set(encoder.encode("2000010100000000"), offset); // created, modified
  for (const offset of [847, 864]) bytes.set(encoder.encode("0000000000000000"), offset); // expires, effective: never
  bytes[881] = 1;
  return bytes;
}

/** (9.4) with only the root in it. */
function pathTable(rootSector: number, isLittleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(10);
  bytes[0] = 1;
  const view = new DataView(bytes.buffer);
  view.setUint32(2, rootSector, isLittleEndian);
  view.setUint16(6, 1, isLittleEndian);
  return bytes;
}

function directory(files: readonly PlacedFile[], root: Root): Uint8Array {
  const isRockRidge = root.naming === "rockRidge";
  const self = { sector: root.sector, size: root.sectors * sectorBytes, isDirectory: true };
  const records = [
    directoryRecord(Uint8Array.of(0), { ...self, ...(isRockRidge && { systemUse: rockRidgeRootEntries() }) }),
    directoryRecord(Uint8Array.of(1), { ...self, ...(isRockRidge && { systemUse: rockRidgeMode(0o040_555, 2) }) }),
  ];
  const nameOf = (file: PlacedFile): string => (isRockRidge ? file.isoName : file.name);
  for (const file of files.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    const where = { sector: file.sector, size: file.content.length, isDirectory: false };
    records.push(
      isRockRidge
        ? directoryRecord(encoder.encode(file.isoName), { ...where, systemUse: rockRidgeFileEntries(file.name) })
        : directoryRecord(ucs2(file.name), where),
    );
  }
  return packRecords(records);
}

/** A record never crosses a sector's end. (6.8.1.1) */
function packRecords(records: readonly Uint8Array[]): Uint8Array {
  const offsets: number[] = [];
  let end = 0;
  for (const record of records) {
    const left = sectorBytes - (end % sectorBytes);
    if (record.length > left) end += left;
    offsets.push(end);
    end += record.length;
  }
  const bytes = new Uint8Array(Math.ceil(end / sectorBytes) * sectorBytes);
  for (const [index, record] of records.entries()) bytes.set(record, offsets[index] ?? 0);
  return bytes;
}

/** (9.1) */
function directoryRecord(
  identifier: Uint8Array,
  what: { sector: number; size: number; isDirectory: boolean; systemUse?: Uint8Array },
): Uint8Array {
  const systemUse = what.systemUse ?? new Uint8Array(0);
  const nameEnd = 33 + identifier.length + ((identifier.length + 1) % 2);
  const length = nameEnd + systemUse.length + (systemUse.length % 2);
  const bytes = new Uint8Array(length);
  bytes[0] = length;
  bytes.set(both32(what.sector), 2);
  bytes.set(both32(what.size), 10);
  bytes.set([100, 1, 1, 0, 0, 0, 0], 18); // 2000-01-01 00:00:00 UTC: the same files give the same bytes
  bytes[25] = what.isDirectory ? 2 : 0;
  bytes.set(both16(1), 28);
  bytes[32] = identifier.length;
  bytes.set(identifier, 33);
  bytes.set(systemUse, nameEnd);
  return bytes;
}

// Rock Ridge (IEEE P1282) entries in the system use field of a record (IEEE P1281).

function rockRidgeRootEntries(): Uint8Array {
  const sharingProtocol = systemUseEntry("SP", [0xbe, 0xef, 0]);
  const id = encoder.encode("RRIP_1991A");
  const extension = systemUseEntry("ER", [id.length, 0, 0, 1, ...id]); // Linux uses Rock Ridge only when it sees this
  return Uint8Array.of(...sharingProtocol, ...rockRidgeMode(0o040_555, 2), ...extension);
}

function rockRidgeFileEntries(name: string): Uint8Array {
  return Uint8Array.of(...rockRidgeMode(0o100_444, 1), ...systemUseEntry("NM", [0, ...encoder.encode(name)]));
}

function rockRidgeMode(mode: number, links: number): Uint8Array {
  return systemUseEntry("PX", [...both32(mode), ...both32(links), ...both32(0), ...both32(0)]);
}

function systemUseEntry(signature: string, data: readonly number[]): Uint8Array {
  return Uint8Array.from([signature.charCodeAt(0), signature.charCodeAt(1), data.length + 4, 1, ...data]);
}

function ucs2(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i += 1) view.setUint16(i * 2, text.charCodeAt(i), false);
  return bytes;
}

/** Both byte orders, one after the other. (7.3.3) Numbers, since most of an image is made of these: an array of bytes takes long to make. */
function both32(value: number): readonly number[] {
  const bytes = [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  return [...bytes, ...bytes.toReversed()];
}

function both16(value: number): readonly number[] {
  const [low, high] = [value & 0xff, value >>> 8];
  return [low, high, high, low];
}
