import type { StoredCursor } from '../../../../services/publisher/src/spool/cursor.ts';
import { scan, type SpoolRecord } from '../../../../services/publisher/src/spool/record.ts';
import type { Found, SpoolEffect } from '../../../../services/publisher/src/spool/spool-event.ts';
import type { Random } from '../time/random.ts';

/**
 * A sidecar's spool folder, which outlives its processes: what `spool/disk.ts` makes of files, in the steps in which time passes and a
 * process or its machine may end. Written is what the operating system has, synced what the disk has. The file operations
 * below these steps have tests of their own, with a crash between any two (`spool/recovery.test.ts`).
 */
export type Commit = Extract<SpoolEffect, { kind: 'commit' }>;

interface ModelSegment {
  bytes: Buffer;
  syncedBytes: number;
  /** Its name is gone, which a power loss may undo. */
  isRemoved: boolean;
}

export class ModelFolder {
  readonly name: string;
  /** It takes no byte more. */
  isFull = false;
  /** Records that were parked because they were too old, as they stand in the parked files. */
  readonly parked: SpoolRecord[] = [];
  readonly #random: Random;
  readonly #segments = new Map<number, ModelSegment>();
  #cursor: StoredCursor | undefined;
  #syncedCursor: StoredCursor | undefined;

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  /** What the next process finds, after it has cut off a torn tail. */
  open(): Found {
    const numbers = this.#numbers();
    const cursor = this.#cursor;
    let records = 0;
    const segments = numbers.map((number) => {
      const segment = this.#segment(number);
      const from = cursor?.segment === number ? Math.min(cursor.offset, segment.bytes.byteLength) : 0;
      const { stretches } = scan(segment.bytes.subarray(from), true);
      const whole = stretches.filter(({ kind }) => kind === 'record');
      if (cursor === undefined || number >= cursor.segment) records += whole.length;
      if (number === numbers.at(-1)) segment.bytes = segment.bytes.subarray(0, from + (whole.at(-1)?.end ?? 0));
      segment.syncedBytes = segment.bytes.byteLength;
      return { number, bytes: segment.bytes.byteLength };
    });
    return { segments, cursor, records };
  }

  /** The process is gone; `withPower`: the machine too, and with it what was not synced, or a part of that. */
  crash(withPower: boolean): void {
    if (!withPower) {
      for (const [number, { isRemoved }] of this.#segments) if (isRemoved) this.#segments.delete(number);
      return;
    }
    this.#cursor = this.#random.chance(0.5) ? this.#syncedCursor : this.#cursor;
    for (const [number, segment] of this.#segments) {
      const isBack = segment.isRemoved && this.#random.chance(0.5);
      if (segment.isRemoved && !isBack) this.#segments.delete(number);
      segment.isRemoved = false;
      const unsynced = segment.bytes.byteLength - segment.syncedBytes;
      const kept = segment.syncedBytes + this.#random.integer(0, unsynced);
      segment.bytes = segment.bytes.subarray(0, kept);
      segment.syncedBytes = kept;
    }
  }

  /** False when the disk takes no more: then a part of it may stand there. */
  write({ segment, offset, records }: Commit): boolean {
    const known = this.#segments.get(segment) ?? { bytes: Buffer.alloc(0), syncedBytes: 0, isRemoved: false };
    this.#segments.set(segment, known);
    const added = Buffer.concat(records);
    const taken = this.isFull ? this.#random.integer(0, added.byteLength) : added.byteLength;
    known.bytes = Buffer.concat([known.bytes.subarray(0, offset), added.subarray(0, taken)]);
    return !this.isFull;
  }

  sync({ segment }: Commit): void {
    const known = this.#segment(segment);
    known.syncedBytes = known.bytes.byteLength;
  }

  /** After a write that failed: `abandoned` if what it wrote could not be taken back. */
  undo({ segment, isNew, offset }: Commit): 'kept' | 'abandoned' {
    if (this.#random.chance(0.3)) return 'abandoned';
    const known = this.#segment(segment);
    if (isNew) this.#segments.delete(segment);
    known.bytes = known.bytes.subarray(0, offset);
    known.syncedBytes = Math.min(known.syncedBytes, offset);
    return 'kept';
  }

  read(segment: number, offset: number, bytes: number): Buffer {
    return this.#segment(segment).bytes.subarray(offset, offset + bytes);
  }

  writeCursor(cursor: StoredCursor): void {
    this.#cursor = cursor;
  }

  syncCursor(): void {
    this.#syncedCursor = this.#cursor;
  }

  remove(segment: number): void {
    this.#segment(segment).isRemoved = true;
  }

  /** Records that were parked; damaged bytes are nobody's usage. */
  park(bytes: Buffer): readonly SpoolRecord[] {
    const records = scan(bytes, true).stretches.flatMap((stretch) =>
      stretch.kind === 'record' ? [stretch.record] : [],
    );
    this.parked.push(...records);
    return records;
  }

  /** Whole records that the cursor has not passed: what a process would replay. */
  get records(): number {
    let records = 0;
    for (const number of this.#numbers()) {
      if (this.#cursor !== undefined && number < this.#cursor.segment) continue;
      const from = this.#cursor?.segment === number ? this.#cursor.offset : 0;
      const { stretches } = scan(this.#segment(number).bytes.subarray(from), true);
      records += stretches.filter(({ kind }) => kind === 'record').length;
    }
    return records;
  }

  #numbers(): number[] {
    return [...this.#segments]
      .flatMap(([number, { isRemoved }]) => (isRemoved ? [] : [number]))
      .sort((left, right) => left - right);
  }

  #segment(number: number): ModelSegment {
    const segment = this.#segments.get(number);
    if (segment === undefined) throw new Error(`The spool folder ${this.name} has no segment ${number}.`);
    return segment;
  }
}
