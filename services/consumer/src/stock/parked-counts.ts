import type { EntryBook } from '../../../../shared/journal/entry-book.ts';

/** Of one shard. */
export interface Parked {
  readonly dead: number;
  readonly inDoubt: number;
}

interface Counted {
  readonly parked: Parked;
  /** Monotonic: how many of them are in doubt is not looked at again before. */
  readonly dueMs: number;
}

const parkedStates = new Set(['dead', 'in_doubt'] as const);
/** Telling those in doubt apart means to read all: for a thousand it takes milliseconds, for 200,000 about a second. */
const shareOfTime = 1 / 500;

/**
 * Entries that wait for a person, by shard. How many there are is always exact; how many of them are in doubt is looked at anew as
 * often as reading them takes no more than a five-hundredth of the time, and at once where there were none.
 */
export class ParkedCounts {
  readonly #book: Pick<EntryBook, 'count' | 'countInDoubt'>;
  readonly #now: () => number;
  readonly #shards = new Map<number, Counted>();

  /** `now` is monotonic, in milliseconds. */
  constructor(book: Pick<EntryBook, 'count' | 'countInDoubt'>, now: () => number = () => performance.now()) {
    this.#book = book;
    this.#now = now;
  }

  get shards(): ReadonlyMap<number, Parked> {
    return new Map([...this.#shards].map(([shard, { parked }]) => [shard, parked]));
  }

  get sum(): Parked {
    let [dead, inDoubt] = [0, 0];
    for (const { parked } of this.#shards.values()) [dead, inDoubt] = [dead + parked.dead, inDoubt + parked.inDoubt];
    return { dead, inDoubt };
  }

  async look(shard: number): Promise<void> {
    const entries = await this.#book.count(shard, parkedStates);
    const before = this.#shards.get(shard);
    if (entries === 0) this.#shards.set(shard, { parked: { dead: 0, inDoubt: 0 }, dueMs: -Infinity });
    else if (before === undefined || this.#now() >= before.dueMs) {
      const startedMs = this.#now();
      const parked = split(entries, await this.#book.countInDoubt(shard));
      const endedMs = this.#now();
      this.#shards.set(shard, { parked, dueMs: endedMs + (endedMs - startedMs) / shareOfTime });
    } else this.#shards.set(shard, { ...before, parked: split(entries, before.parked.inDoubt) });
  }
}

/** Entries may have gone between the two looks. */
function split(entries: number, inDoubt: number): Parked {
  const doubtful = Math.min(inDoubt, entries);
  return { dead: entries - doubtful, inDoubt: doubtful };
}
