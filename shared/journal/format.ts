import { promisify } from 'node:util';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { ClosedEntry, Entry, ParkedEntry, SettledAs } from './journal.ts';

/**
 * How the journal is written in Redis. The head of every shard names the format of the whole; a set's blob and a parked
 * entry, which outlive their set, name it again. Readers take the current format and the previous one.
 *
 *   1  the first one.
 *   2  an entry may carry its meter's id. Totals are kept by month.
 *
 * Which one is written is the cluster's decision (README): the newest that every member reads.
 */
export type JournalFormat = 1 | 2;
export const oldestFormat: JournalFormat = 1;
export const newestFormat: JournalFormat = 2;

/** Undefined when this version does not read it. */
export function formatOf(stored: string | number | undefined): JournalFormat | undefined {
  const number = Number(stored);
  return number === 1 || number === 2 ? number : undefined;
}

const entriesPerPiece = 2_000;
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Redis holds something that this version of the program cannot read. It is left as it is. */
export class JournalFormatError extends Error {
  readonly code = 'journal_format';

  constructor(what: string, found: unknown) {
    super(
      `${what} is in format ${String(found)}, and this version reads formats ${oldestFormat} and ${newestFormat} only. Nothing was ` +
        'changed, and its usage waits in the broker. Run the version that wrote it, or a newer one.',
    );
    this.name = 'JournalFormatError';
  }
}

/** One byte for the format, then the entries as JSON, compressed with zstd. */
export async function encodeEntries(entries: readonly Entry[], format: JournalFormat): Promise<Buffer> {
  // In pieces: one string could be too long for a string, and would stop everything else while it is made.
  const pieces: Buffer[] = [];
  for (let from = 0; from < entries.length; from += entriesPerPiece) {
    if (from > 0) await nextTurn();
    const piece = JSON.stringify(entries.slice(from, from + entriesPerPiece).map((entry) => entryIn(format, entry)));
    pieces.push(Buffer.from(`${from === 0 ? '[' : ','}${piece.slice(1, -1)}`));
  }
  const packed = await compress(Buffer.concat([...pieces, Buffer.from(entries.length === 0 ? '[]' : ']')]));
  return Buffer.concat([Buffer.of(format), packed]);
}

export async function decodeEntries(blob: Buffer): Promise<readonly Entry[]> {
  if (formatOf(blob[0]) === undefined) throw new JournalFormatError('A committed flush set', blob[0]);
  const text = await decompress(blob.subarray(1));
  return JSON.parse(text.toString('utf8')) as Entry[];
}

export function encodeParked(parked: ParkedEntry | ClosedEntry, format: JournalFormat): string {
  return JSON.stringify({ version: format, ...parked, entry: entryIn(format, parked.entry) });
}

/** What the version before would send without regard to it does not enter its format: it is the same entry to every reader. */
function entryIn(format: JournalFormat, entry: Entry): Entry {
  if (format >= 2 || entry.meterId === undefined) return entry;
  const { meterId: _, ...rest } = entry;
  return rest;
}

export function decodeParked(text: string): ParkedEntry {
  return decodeRecord<ParkedEntry>(text);
}

export function decodeClosed(text: string): ClosedEntry {
  return decodeRecord<ClosedEntry>(text);
}

function decodeRecord<T extends ParkedEntry | ClosedEntry>(text: string): Omit<T & { version: number }, 'version'> {
  const { version, ...parked } = JSON.parse(text) as T & { version: number };
  if (formatOf(version) === undefined) throw new JournalFormatError('A parked entry', version);
  return parked;
}

/** Ascending runs: `0-3,7` is 0, 1, 2, 3 and 7. */
export function encodeRuns(indexes: Iterable<number>): string {
  const sorted = [...new Set(indexes)].sort((left, right) => left - right);
  const runs: string[] = [];
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at];
    while (sorted[at + 1] === (sorted[at] ?? 0) + 1) at++;
    runs.push(first === sorted[at] ? `${first}` : `${first}-${sorted[at]}`);
  }
  return runs.join(',');
}

export function decodeRuns(text: string): number[] {
  const indexes: number[] = [];
  if (text === '') return indexes;
  for (const run of text.split(',')) {
    const [first, last = first] = run.split('-').map(Number);
    for (let index = first ?? 0; index <= (last ?? -1); index++) indexes.push(index);
  }
  return indexes;
}

/** `accepted=0-3,7;dead=9` */
export function encodeSettled(settled: ReadonlyMap<number, SettledAs>): string {
  const byState = Map.groupBy(settled, ([, state]) => state);
  return [...byState].map(([state, members]) => `${state}=${encodeRuns(members.map(([index]) => index))}`).join(';');
}

export function decodeSettled(text: string): Map<number, SettledAs> {
  const settled = new Map<number, SettledAs>();
  for (const part of text.split(';')) {
    const [state = '', runs = ''] = part.split('=');
    if (!isSettledAs(state)) throw new JournalFormatError('The progress of a flush set', state);
    for (const index of decodeRuns(runs)) settled.set(index, state);
  }
  return settled;
}

function isSettledAs(text: string): text is SettledAs {
  return text === 'accepted' || text === 'dead' || text === 'in_doubt' || text === 'deferred';
}
