import { cursorFileBytes, cursorSlotBytes, decodeCursor, encodeCursor, type StoredCursor } from './cursor.ts';
import { cursorName, parkedName, probeName, segmentName, segmentNumber, type SpoolFiles } from './files.ts';
import { isUnfinished, recordBytesMax, scan } from './record.ts';
import type { Found, SpoolEffect, SpoolEvent, Upkeep } from './spool-event.ts';

/**
 * The file operations behind each effect of the spool core, in the order that makes them safe to be cut off between any
 * two. Nothing here decides.
 */

/** Somebody has moved or deleted what we write to: what is there now must be opened anew. */
export class SpoolGone extends Error {
  override readonly name = 'SpoolGone';
}

export type Commit = Extract<SpoolEffect, { kind: 'commit' }>;

/** As large as a group of writes, so that a disk with a little room does not seem to have enough. */
const probeBytes = 256 * 1024;
const scanBytes = 1024 * 1024;

/** Durable when it resolves: bytes, length and, of a new segment, its name. */
export async function commit(files: SpoolFiles, { segment, isNew, offset, records }: Commit): Promise<void> {
  const name = segmentName(segment);
  if (isNew) await files.create(name);
  await files.write(name, offset, Buffer.concat(records));
  await files.sync(name);
  if (isNew) await files.syncFolder();
  // A file without a name takes writes and syncs as if nothing were wrong.
  if (!(await files.isInPlace(name)))
    throw new SpoolGone('the segment that was written to is not in the folder any more');
}

/** After a commit that failed: takes back what it may have written. `abandoned`: that did not work. */
export async function undo(files: SpoolFiles, { segment, isNew, offset }: Commit): Promise<'kept' | 'abandoned'> {
  const name = segmentName(segment);
  try {
    if (isNew) await files.remove(name);
    else {
      await files.truncate(name, offset);
      await files.sync(name);
    }
    return 'kept';
  } catch {
    // The commit's own error is what is told; this one only decides that the segment is not used any further.
    return 'abandoned';
  }
}

export async function probe(files: SpoolFiles): Promise<void> {
  await files.remove(probeName);
  await files.create(probeName);
  try {
    await files.write(probeName, 0, Buffer.alloc(probeBytes));
    await files.sync(probeName);
    if (!(await files.isInPlace(probeName))) throw new SpoolGone('the folder is not what it was');
  } finally {
    await files.remove(probeName);
  }
}

export async function doUpkeep(files: SpoolFiles, work: Upkeep): Promise<SpoolEvent> {
  switch (work.kind) {
    case 'read': {
      const bytes = await files.read(segmentName(work.place.segment), work.place.offset, work.bytes);
      if (bytes.byteLength < work.bytes) throw new SpoolGone('a segment is shorter than it was');
      return { kind: 'loaded', bytes, ...scan(bytes, work.isEnd) };
    }
    case 'save':
      await saveCursor(files, work.cursor);
      return { kind: 'saved' };
    case 'remove': {
      const name = segmentName(work.segment);
      // Another process may have a folder of this name by now, and a segment of this number.
      if (!(await files.isInPlace(name))) throw new SpoolGone('a segment is not in the folder any more');
      // Not synced: what comes back after a crash lies before the cursor.
      await files.remove(name);
      return { kind: 'removed' };
    }
    case 'park': {
      const name = parkedName(work.why, work.place.segment, work.place.offset);
      // From a life that ended before its cursor was saved.
      await files.remove(name);
      await files.create(name);
      await files.write(name, 0, work.bytes);
      await files.sync(name);
      await files.syncFolder();
      return { kind: 'parked' };
    }
  }
}

export interface Opened extends Found {
  /** Cut off the last segment. */
  readonly tornBytes: number;
}

/**
 * Looks through the folder and repairs it: what was being written when the last process ended is cut off. Only that: a damaged end that
 * may have been synced stays, and is parked when it is read, as damage is anywhere else.
 */
export async function openFolder(files: SpoolFiles): Promise<Opened> {
  const names = await files.list();
  const cursor = await openCursor(files, names);
  const segments: { number: number; bytes: number }[] = [];
  for (const { name, bytes } of names) {
    const number = segmentNumber(name);
    if (number !== undefined) segments.push({ number, bytes });
  }
  segments.sort((left, right) => left.number - right.number);
  let records = 0;
  let tornBytes = 0;
  const last = segments.at(-1);
  for (const segment of segments) {
    const isThrough = cursor !== undefined && segment.number < cursor.segment;
    if (isThrough && segment !== last) continue;
    const from = cursor?.segment === segment.number ? Math.min(cursor.offset, segment.bytes) : 0;
    const seen = await survey(files, segment.number, from, segment.bytes);
    if (!isThrough) records += seen.records;
    if (segment !== last || !(await endsUnfinished(files, segment, seen.soundBytes))) continue;
    tornBytes = segment.bytes - seen.soundBytes;
    await files.truncate(segmentName(segment.number), seen.soundBytes);
    await files.sync(segmentName(segment.number));
    segment.bytes = seen.soundBytes;
  }
  return { segments, cursor, records, tornBytes };
}

async function endsUnfinished(
  files: SpoolFiles,
  { number, bytes }: { readonly number: number; readonly bytes: number },
  soundBytes: number,
): Promise<boolean> {
  const left = bytes - soundBytes;
  return left > 0 && left < recordBytesMax && isUnfinished(await files.read(segmentName(number), soundBytes, left));
}

export interface Survey {
  readonly records: number;
  readonly oldestAcceptedMs: number | undefined;
  /** Behind this there is no whole record. */
  readonly soundBytes: number;
  readonly damagedBytes: number;
}

/** Looks through a segment from a place on. */
export async function survey(files: SpoolFiles, segment: number, from: number, bytes: number): Promise<Survey> {
  let records = 0;
  let oldestAcceptedMs: number | undefined;
  let damagedBytes = 0;
  let soundBytes = from;
  let place = from;
  let asked = scanBytes;
  while (place < bytes) {
    const chunk = await files.read(segmentName(segment), place, Math.min(asked, bytes - place));
    const isEnd = place + chunk.byteLength >= bytes || chunk.byteLength === 0;
    const { stretches, scanned } = scan(chunk, isEnd);
    for (const stretch of stretches) {
      if (stretch.kind === 'damaged') damagedBytes += stretch.end - stretch.start;
      else soundBytes = place + stretch.end;
      if (stretch.kind !== 'record') continue;
      records++;
      oldestAcceptedMs = Math.min(oldestAcceptedMs ?? Infinity, stretch.record.acceptedAtMs);
    }
    place += isEnd ? chunk.byteLength : scanned;
    if (chunk.byteLength === 0) break;
    asked = scanned > 0 ? scanBytes : asked * 2;
  }
  return { records, oldestAcceptedMs, soundBytes, damagedBytes };
}

async function openCursor(
  files: SpoolFiles,
  names: readonly { readonly name: string; readonly bytes: number }[],
): Promise<StoredCursor | undefined> {
  const known = names.find(({ name }) => name === cursorName);
  // Its room is taken from the disk now, so that it can be written to on a full one.
  if (known === undefined) await files.create(cursorName);
  if (known === undefined || known.bytes < cursorFileBytes) {
    const kept = known === undefined ? Buffer.alloc(0) : await files.read(cursorName, 0, known.bytes);
    await files.write(cursorName, 0, Buffer.concat([kept, Buffer.alloc(cursorFileBytes - kept.byteLength)]));
    await files.sync(cursorName);
    await files.syncFolder();
  }
  return decodeCursor(await files.read(cursorName, 0, cursorFileBytes));
}

async function saveCursor(files: SpoolFiles, cursor: StoredCursor): Promise<void> {
  await files.write(cursorName, (cursor.turn % 2) * cursorSlotBytes, encodeCursor(cursor));
  await files.sync(cursorName);
}
