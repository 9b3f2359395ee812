import { crc32 } from 'node:zlib';

/** A place in the spool: everything before it has been confirmed by the broker, or is parked. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/**
 * The cursor file, version 1: two slots, each in a disk page of its own, written in turn. Whichever write is torn, the other
 * slot is whole. Written in place rather than as a new file that is renamed: that needs room on the disk, and it is on a full
 * disk that a segment must be given up, which waits for the cursor.
 *
 *   0  crc32 of all that follows   4  magic 'TMC1'   8  turn, 64 bit   16  segment, 64 bit   24  offset, 64 bit
 */
export const cursorSlotBytes = 4096;
export const cursorFileBytes = 2 * cursorSlotBytes;
const magic = 0x31434d54;
const usedBytes = 32;

export interface StoredCursor extends Place {
  /** Grows with every write; its lowest bit is the slot. */
  readonly turn: number;
}

/** The bytes of one slot; it belongs at `turn % 2` slots from the file's beginning. */
export function encodeCursor({ turn, segment, offset }: StoredCursor): Buffer {
  const bytes = Buffer.alloc(usedBytes);
  bytes.writeUInt32LE(magic, 4);
  bytes.writeBigUInt64LE(BigInt(turn), 8);
  bytes.writeBigUInt64LE(BigInt(segment), 16);
  bytes.writeBigUInt64LE(BigInt(offset), 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

/** The newer of the two slots that is whole; undefined if none is, as in a file that is new. */
export function decodeCursor(file: Buffer): StoredCursor | undefined {
  const first = decodeSlot(file.subarray(0, usedBytes));
  const second = decodeSlot(file.subarray(cursorSlotBytes, cursorSlotBytes + usedBytes));
  if (first === undefined || second === undefined) return first ?? second;
  return first.turn > second.turn ? first : second;
}

function decodeSlot(bytes: Buffer): StoredCursor | undefined {
  if (bytes.byteLength < usedBytes || bytes.readUInt32LE(4) !== magic) return undefined;
  if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return undefined;
  const read = (at: number): number => Number(bytes.readBigUInt64LE(at));
  return { turn: read(8), segment: read(16), offset: read(24) };
}
