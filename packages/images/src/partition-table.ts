// The DOS partition table in the last 72 bytes of a boot sector: one bootable Linux partition.

const linuxType = 0x83;
/** Cylinder, head and sector "beyond what can be said": everything reads the LBA fields. */
const chsBeyond = [0xfe, 0xff, 0xff];

export function writePartitionTable(
  bootSector: Uint8Array,
  { signature, startSector, sectors }: { signature: number; startSector: number; sectors: number },
): void {
  if (sectors > 0xffff_ffff) {
    throw new RangeError(`Cannot write partition table: ${sectors} sectors, a DOS partition ends at 2 TiB`);
  }
  const view = new DataView(bootSector.buffer, bootSector.byteOffset, bootSector.byteLength);
  bootSector.fill(0, 440, 510);
  view.setUint32(440, signature, true);
  const entry = 446;
  bootSector[entry] = 0x80; // active
  bootSector.set(chsBeyond, entry + 1);
  bootSector[entry + 4] = linuxType;
  bootSector.set(chsBeyond, entry + 5);
  view.setUint32(entry + 8, startSector, true);
  view.setUint32(entry + 12, sectors, true);
  view.setUint16(510, 0xaa55, true);
}
