import { cursorFileBytes, decodeCursor, type Place } from './cursor.ts';
import { survey, type Survey } from './disk.ts';
import { cursorName, FolderFiles, isParkedName, segmentNumber } from './files.ts';
import { isLocked } from './lock.ts';

export interface Inspection {
  /** A process has it: what is seen is changing. */
  readonly isLocked: boolean;
  readonly cursor: Place | undefined;
  /** Of each segment what is behind the cursor, oldest first. */
  readonly segments: readonly (Survey & { readonly name: string; readonly number: number; readonly bytes: number })[];
  readonly records: number;
  readonly bytes: number;
  readonly oldestAcceptedMs: number | undefined;
  readonly parked: readonly { readonly name: string; readonly bytes: number }[];
}

/** What is in a spool, without touching it. Rejects if there is no such folder. */
export async function inspectSpool(folder: string): Promise<Inspection> {
  const files = new FolderFiles(folder, 'look');
  try {
    const names = await files.list();
    const hasCursor = names.some(({ name }) => name === cursorName);
    const cursor = hasCursor ? decodeCursor(await files.read(cursorName, 0, cursorFileBytes)) : undefined;
    const segments: Inspection['segments'][number][] = [];
    for (const { name, bytes } of names.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
      const number = segmentNumber(name);
      if (number === undefined || number < (cursor?.segment ?? 0)) continue;
      const from = cursor?.segment === number ? Math.min(cursor.offset, bytes) : 0;
      segments.push({ name, number, bytes, ...(await survey(files, number, from, bytes)) });
    }
    const times = segments.flatMap(({ oldestAcceptedMs }) =>
      oldestAcceptedMs === undefined ? [] : [oldestAcceptedMs],
    );
    return {
      isLocked: await isLocked(folder),
      cursor,
      segments,
      records: segments.reduce((sum, { records }) => sum + records, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      oldestAcceptedMs: times.length === 0 ? undefined : Math.min(...times),
      parked: names.filter(({ name }) => isParkedName(name)),
    };
  } finally {
    await files.close();
  }
}
