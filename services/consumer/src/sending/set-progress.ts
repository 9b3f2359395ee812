import type { ParkedEntry, SumsAnswer } from '../../../../shared/journal/journal.ts';
import { addUp, isAddable, sumKeys, type SumLimits } from '../counting/refused-sums.ts';
import type { Item } from '../lanes/item.ts';
import type { Drive, Ended } from './drive.ts';
import { type JournalWrite, newWrite, type Write } from './write.ts';

/** The set that is driven. `progressWrites`: how many the journal has answered. */
export interface DrivenSet {
  readonly set: number;
  readonly token: string;
  progressWrites: number;
}

/** What ended together is told together. */
interface Chunk {
  readonly ended: readonly Ended[];
  /** Dead from the start: they may be added up. */
  readonly addable: readonly ParkedEntry[];
  readonly others: readonly ParkedEntry[];
}

const entriesMax = 2_000;
/** … if more than this may be added up, which takes some 10 ms here and in Redis. */
const addableMax = 500;
const everyMs = 250;

/**
 * Tells the journal how entries of the pending set ended. Before those that may be added up are told of, it asks for what they are
 * added to. Nobody but this owner adds to that; a person may decide about it in between, which the write finds out.
 */
export class SetProgress {
  readonly #drive: Drive;
  readonly #limits: SumLimits;
  #dueMs = Number.NEGATIVE_INFINITY;
  #asked: { readonly chunk: Chunk; readonly sums: SumsAnswer & { readonly answer: 'ok' } } | undefined;

  constructor(drive: Drive, limits: SumLimits) {
    this.#drive = drive;
    this.#limits = limits;
  }

  next(driven: DrivenSet, nowMs: number, goingOn: boolean): Write | undefined {
    const drive = this.#drive;
    // Accepted entries need no progress of their own once all have ended; parked ones must be in the journal first.
    const isDue = drive.setIsSettled ? drive.hasParkedToWrite : nowMs >= this.#dueMs || !goingOn;
    if (drive.endedToWrite === 0 || !isDue) return undefined;
    if (this.#asked !== undefined) return this.#progress(driven, this.#asked.chunk, this.#asked.sums, nowMs);
    const most = chunkOf(drive.peekEnded(entriesMax));
    const chunk = most.addable.length > addableMax ? chunkOf(most.ended.slice(0, addableMax)) : most;
    return chunk.addable.length === 0 ? this.#progress(driven, chunk, noSums, nowMs) : this.#ask(chunk);
  }

  #ask(chunk: Chunk): Write {
    const atMs = chunk.addable[0]?.parkedAtMs ?? 0;
    const keys = sumKeys(chunk.addable, this.#limits);
    return newWrite({ kind: 'read_sums', atMs, keys }, (_redisMs, _nowMs, sums) => {
      if (!('sums' in sums)) throw new Error('Sums were read, and none were answered.');
      this.#asked = { chunk, sums };
    });
  }

  #progress(driven: DrivenSet, { ended, addable, others }: Chunk, sums: Sums, nowMs: number): Write {
    this.#dueMs = nowMs + everyMs;
    const { apart, additions } = addUp(addable, sums, this.#limits);
    const write: JournalWrite = {
      kind: 'progress',
      set: driven.set,
      token: driven.token,
      settled: new Map(ended.map(({ item, as }) => [indexOf(item), as])),
      parked: [...others, ...apart],
      additions,
    };
    return newWrite(write, (_redisMs, atMs) => {
      this.#asked = undefined;
      driven.progressWrites++;
      this.#drive.endedWritten(ended, atMs);
    });
  }
}

type Sums = Pick<SumsAnswer & { readonly answer: 'ok' }, 'parked' | 'sums'>;

const noSums: Sums = { parked: 0, sums: new Map() };

function chunkOf(ended: readonly Ended[]): Chunk {
  const parked = ended.flatMap(({ parked: record }) => (record === undefined ? [] : [record]));
  const { addable = [], others = [] } = Object.groupBy(parked, (record) => (isAddable(record) ? 'addable' : 'others'));
  return { ended, addable, others };
}

export function indexOf(item: Item): number {
  if (item.index === undefined) throw new Error('A deferred entry is not part of a set.');
  return item.index;
}
