import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FoundEntry } from '../../../../shared/journal/entry-book.ts';
import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import { createLog } from '../../../../shared/log/log.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { Meter } from '../provider/provider.ts';
import { entry, meter, metersOf } from '../shard/testing/fixtures.ts';
import { lookEveryMs, ReturnedMeters } from './returned-meters.ts';

/**
 * 200,000 dead entries cost each consumer 1.2 s of CPU a minute: every list of meters, and every account has one, had all of them
 * read and decoded, though a meter that comes back is rare.
 */
const redisAheadMs = 1_000_000_000;
const [requests, seats] = [meter('requests'), meter('seats')];
const archived = meter('requests', 'sum', { archived: true });

/** The journal of one shard, and who looks through it. */
class Shard {
  readonly parked: ParkedEntry[] = [];
  readonly replayed: string[] = [];
  readonly lines: string[] = [];
  readonly asked: string[] = [];
  lists = 0;
  read = 0;
  tenure = {};
  /** Redis' clock was set by so much. */
  setByMs = 0;
  isAway = false;
  /** Happens once while the entries are read. */
  meanwhile: (() => void) | undefined;
  readonly returned = new ReturnedMeters({
    book: {
      now: async () => this.nowMs,
      list: (shard) => this.#list(shard),
      replay: async (_shard, found) => {
        const names = found.map(({ record }) => record.entry.identifier);
        this.replayed.push(...names);
        const left = this.parked.filter(({ entry: { identifier } }) => !names.includes(identifier));
        this.parked.splice(0, this.parked.length, ...left);
        return new Set(names);
      },
    },
    ownedShards: () => new Map([[0, this.tenure]]),
    needMeters: (account) => void this.asked.push(account),
    log: createLog({ service: 'test', level: 'info' }, { write: (line) => void this.lines.push(line) }),
  });

  get nowMs(): number {
    return performance.now() + redisAheadMs + this.setByMs;
  }

  /** As the journal has it; a shard's owner is told with `parks`. */
  park(name: string, said: Partial<ParkedEntry['entry']> = {}, parkedAtMs = this.nowMs): ParkedEntry {
    const reason = 'archived_meter: it is archived';
    const dead = entry({ identifier: name, ...said });
    const record: ParkedEntry = { entry: dead, state: 'dead', reason, attempts: 1, parkedAtMs, set: 1 };
    this.parked.push(record);
    return record;
  }

  parks(name: string, said: Partial<ParkedEntry['entry']> = {}): void {
    this.returned.parked(0, [this.park(name, said)]);
  }

  async *#list(shard: number): AsyncGenerator<FoundEntry> {
    this.lists++;
    for (const record of [...this.parked]) {
      if (this.isAway) throw new Error('Redis is away');
      this.read++;
      yield { shard, state: record.state, record, text: '' };
      this.meanwhile?.();
      this.meanwhile = undefined;
    }
  }

  /** A minute later, with a list that was asked for just then. */
  async look(...meters: readonly Meter[]): Promise<void> {
    vi.advanceTimersByTime(lookEveryMs);
    await this.returned.look({ meters: metersOf(...meters), askedAtMs: performance.now() });
  }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

describe('a look for meters that are back', () => {
  it('reads no entry again while the lists say nothing new about their meters', async () => {
    const shard = new Shard();
    for (let index = 0; index < 1_000; index++) shard.park(`entry-${index}`);
    await shard.look(seats);
    expect(shard.read).toBe(1_000);
    for (let minute = 0; minute < 60; minute++) {
      // A typo that is posted all the time.
      shard.parks(`new-${minute}`);
      await shard.look(minute % 2 === 0 ? seats : meter('seats', 'last'));
    }
    expect(shard.read).toBe(1_000);
    await shard.look(seats, requests);
    expect(shard.replayed).toHaveLength(1_060);
    await shard.look(seats, requests);
    expect(shard.lists).toBe(2);
  });

  it.each<[what: string, before: readonly Meter[], after: Meter]>([
    ['appeared', [], requests],
    ['was unarchived', [archived], requests],
    ['was made anew', [meter('requests', 'last', { id: 'mtr_1' })], meter('requests', 'sum', { id: 'mtr_2' })],
  ])('finds what waits for a meter that %s', async (_, before, after) => {
    const shard = new Shard();
    // A sum, which no other formula may have.
    shard.park('sum', { events: 7, refusal: 'no_meter: none' });
    await shard.look(...before);
    expect(shard.replayed).toEqual([]);
    await shard.look(after);
    expect(shard.replayed).toEqual(['sum']);
  });

  it('finds what was parked since, with the first list that is newer, even if that says what the one before said', async () => {
    const shard = new Shard();
    await shard.look(requests);
    const older: MeterCatalog = { meters: metersOf(requests), askedAtMs: performance.now() };
    shard.parks('one');
    vi.advanceTimersByTime(lookEveryMs);
    await shard.returned.look(older);
    expect(shard.replayed).toEqual([]);
    await shard.look(requests);
    expect(shard.replayed).toEqual(['one']);
  });

  it('finds what was parked while it read, and was not met any more', async () => {
    const shard = new Shard();
    shard.park('one', { meter: 'other' });
    shard.meanwhile = () => shard.parks('two');
    await shard.look();
    await shard.look(requests);
    expect(shard.replayed).toEqual(['two']);
  });

  it('reads everything after Redis was away in the middle of it, and after another tenure', async () => {
    const shard = new Shard();
    shard.park('one');
    await shard.look();
    shard.isAway = true;
    await shard.look(requests);
    expect(shard.lines).toEqual([expect.stringMatching(/"level":"warn".*could not be looked for/)]);
    shard.isAway = false;
    await shard.look(requests);
    expect(shard.lines.slice(1)).toContainEqual(expect.stringMatching(/"level":"info".*are looked for again/));
    expect(shard.replayed).toEqual(['one']);
    // Another owner parked it.
    shard.park('two');
    await shard.look(requests);
    expect(shard.replayed).toEqual(['one']);
    shard.tenure = {};
    await shard.look(requests);
    expect(shard.replayed).toEqual(['one', 'two']);
  });

  it('comes a minute later at the latest when lists follow one another, and not more often than once a minute', async () => {
    const shard = new Shard();
    shard.park('one');
    await shard.look();
    const catalog: MeterCatalog = { meters: metersOf(requests), askedAtMs: performance.now() };
    await shard.returned.look(catalog);
    expect(shard.lists).toBe(1);
    vi.advanceTimersByTime(lookEveryMs);
    await shard.returned.look(catalog);
    expect(shard.replayed).toEqual(['one']);
  });

  it("reads nothing because of another account's list, and asks for those that are not known", async () => {
    const shard = new Shard();
    shard.park('own', { account: 'acct_1' });
    await shard.look(requests);
    expect(shard.asked).toEqual(['acct_1']);
    vi.advanceTimersByTime(lookEveryMs);
    const askedAtMs = performance.now();
    const connected = new Map(
      ['acct_1', 'acct_2'].map((account) => [account, { meters: metersOf(requests), askedAtMs }]),
    );
    const catalog: MeterCatalog = { meters: metersOf(requests), askedAtMs, connected };
    await shard.returned.look(catalog, 'acct_2');
    expect(shard.lists).toBe(1);
    await shard.returned.look(catalog, 'acct_1');
    expect(shard.replayed).toEqual(['own']);
  });

  // They waited until Redis' clock had caught up, for as long as it had been set back.
  it('finds what was parked before the clock of Redis was set back by an hour, together with what came after', async () => {
    const shard = new Shard();
    shard.park('before');
    await shard.look(archived);
    shard.parks('just before');
    shard.setByMs = -3_600_000;
    shard.parks('after');
    await shard.look(requests);
    expect(shard.replayed.toSorted()).toEqual(['after', 'before', 'just before']);
  });

  it('reads every minute again where more names are misspelt than it keeps, and misses none', async () => {
    const shard = new Shard();
    for (let index = 0; index < 10_100; index++) shard.park(`entry-${index}`, { meter: `meter_${index}` });
    await shard.look();
    await shard.look(meter('meter_10099'));
    expect(shard.replayed).toEqual(['entry-10099']);
  });
});
