import { crc32 } from 'node:zlib';
import { slotCount } from '../../../../shared/event/lane.ts';
import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';

/**
 * One message in a segment, version 1. All numbers are little-endian.
 *
 *   0  magic f5 54 4d f6     neither f5 nor f6 stands in UTF-8, so neither a body nor a producer id can hold a magic
 *   4  crc32 of all that follows (zlib's, as in gzip)
 *   8  length of the whole record
 *   12 version               the first twelve bytes keep their meaning in every version
 *   13 length of the producer id
 *   14 slot
 *   15 zero
 *   16 sequence, 64 bit
 *   24 accepted at, unix milliseconds, 64 bit
 *   32 producer id, in ASCII, then the message's bytes as they are published
 */
export interface SpoolRecord {
  readonly origin: MessageOrigin;
  /** Wall clock of the sidecar, unix milliseconds: when its oldest event was accepted. */
  readonly acceptedAtMs: number;
  readonly body: Buffer;
}

export const recordVersion = 1;
const magic = Buffer.from([0xf5, 0x54, 0x4d, 0xf6]);
const fixedBytes = 12;
const headBytes = 32;
/** Longer than any message; what claims more is damaged, and is not read into memory to find out. */
export const recordBytesMax = 16 * 1024 * 1024;

export function encodeRecord({ origin, acceptedAtMs, body }: SpoolRecord): Buffer {
  const { producer, slot, sequence } = origin;
  const length = headBytes + producer.length + body.byteLength;
  if (length > recordBytesMax) throw new Error(`A message of ${body.byteLength} bytes is larger than a spool record.`);
  const bytes = Buffer.allocUnsafe(length);
  magic.copy(bytes);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt8(recordVersion, 12);
  bytes.writeUInt8(producer.length, 13);
  bytes.writeUInt8(slot, 14);
  bytes.writeUInt8(0, 15);
  bytes.writeBigUInt64LE(BigInt(sequence), 16);
  bytes.writeBigUInt64LE(BigInt(Math.floor(acceptedAtMs)), 24);
  bytes.write(producer, headBytes, 'latin1');
  body.copy(bytes, headBytes + producer.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/**
 * A stretch of a segment: one record, one that is sound but of a version that this reader does not know, or bytes that are
 * none. Places are counted from the beginning of what was scanned.
 */
export type Stretch =
  | { readonly kind: 'record'; readonly start: number; readonly end: number; readonly record: SpoolRecord }
  | { readonly kind: 'unknown' | 'damaged'; readonly start: number; readonly end: number };

/**
 * Reads records. Bytes that are none reach to the next record that is whole, or to the end. Without `isEnd`, more bytes
 * follow: `scanned` tells how far it is clear what they are, 0 if more are needed to say anything.
 */
export function scan(
  bytes: Buffer,
  isEnd: boolean,
): { readonly stretches: readonly Stretch[]; readonly scanned: number } {
  const stretches: Stretch[] = [];
  let place = 0;
  while (place < bytes.byteLength) {
    const found = recordAt(bytes, place);
    if (found === 'cut' && !isEnd) break;
    if (typeof found !== 'string') {
      const { record } = found;
      const end = place + found.length;
      stretches.push(
        record === undefined ? { kind: 'unknown', start: place, end } : { kind: 'record', start: place, end, record },
      );
      place = end;
      continue;
    }
    const end = nextRecord(bytes, place + 1, isEnd);
    if (end === undefined) break;
    stretches.push({ kind: 'damaged', start: place, end });
    place = end;
  }
  return { stretches, scanned: place };
}

/** Where the next record begins, or the end; undefined if that cannot be told without what follows. */
function nextRecord(bytes: Buffer, from: number, isEnd: boolean): number | undefined {
  for (let place = bytes.indexOf(magic, from); place >= 0; place = bytes.indexOf(magic, place + 1)) {
    const found = recordAt(bytes, place);
    if (typeof found !== 'string') return place;
    if (found === 'cut' && !isEnd) return undefined;
  }
  return isEnd ? bytes.byteLength : undefined;
}

/**
 * Whether the end of a segment is the beginning of a record, of which the rest is not there: then its write never ended, it was never
 * synced, and nobody was told that it is durable. A synced record that is damaged is as long as it says; if its length is what is
 * damaged, its checksum is right with the real one.
 */
export function isUnfinished(end: Buffer): boolean {
  const start = end.subarray(0, magic.byteLength);
  if (!start.equals(magic.subarray(0, start.byteLength))) return false;
  if (end.byteLength <= headBytes) return true;
  const length = end.readUInt32LE(8);
  if (length <= end.byteLength || length > recordBytesMax || !hasSoundHead(end)) return false;
  const whole = Buffer.from(end);
  whole.writeUInt32LE(end.byteLength, 8);
  return crc32(whole.subarray(8)) !== end.readUInt32LE(4);
}

function hasSoundHead(bytes: Buffer): boolean {
  const producer = bytes.toString('latin1', headBytes, headBytes + bytes.readUInt8(13));
  return (
    bytes.readUInt8(12) === recordVersion &&
    bytes.readUInt8(14) < slotCount &&
    bytes.readUInt8(15) === 0 &&
    bytes.readBigUInt64LE(16) <= BigInt(Number.MAX_SAFE_INTEGER) &&
    /^[\x21-\x7e]*$/.test(producer)
  );
}

interface Found {
  readonly length: number;
  readonly record: SpoolRecord | undefined;
}

/** `cut`: it may be a record, but not all of it is here. */
function recordAt(bytes: Buffer, place: number): Found | 'cut' | 'none' {
  const here = bytes.subarray(place, place + magic.byteLength);
  if (!here.equals(magic.subarray(0, here.byteLength))) return 'none';
  if (bytes.byteLength - place < fixedBytes) return 'cut';
  const length = bytes.readUInt32LE(place + 8);
  if (length <= headBytes || length > recordBytesMax) return 'none';
  if (bytes.byteLength - place < length) return 'cut';
  const whole = bytes.subarray(place, place + length);
  if (whole.readUInt32LE(4) !== crc32(whole.subarray(8))) return 'none';
  return { length, record: decode(whole) };
}

function decode(whole: Buffer): SpoolRecord | undefined {
  if (whole.readUInt8(12) !== recordVersion) return undefined;
  const bodyAt = headBytes + whole.readUInt8(13);
  const slot = whole.readUInt8(14);
  const sequence = Number(whole.readBigUInt64LE(16));
  if (bodyAt >= whole.byteLength || slot >= slotCount || !Number.isSafeInteger(sequence) || sequence < 1)
    return undefined;
  return {
    origin: { producer: whole.toString('latin1', headBytes, bodyAt), slot, sequence },
    acceptedAtMs: Number(whole.readBigUInt64LE(24)),
    body: whole.subarray(bodyAt),
  };
}
