import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { IdSet } from '../../../../shared/journal/journal.ts';
import {
  hourMs,
  minuteMs,
  origin,
  requestsCatalog,
  shardLimits,
  shardState,
  startRedisMs,
  usageEvent,
} from '../shard/testing/fixtures.ts';
import { ShardMemory } from './memory.ts';

function newMemory(said: Partial<Parameters<typeof shardLimits>[0]> = {}): ShardMemory {
  return new ShardMemory(shardLimits(said));
}

let sequence = 0;

/** Counts a message of these events into the open set `set`. */
function count(memory: ShardMemory, set: number, events: readonly UsageEvent[], acceptedAtMs = startRedisMs): void {
  memory.count(origin(++sequence), events, set, acceptedAtMs, requestsCatalog, 0);
}

function events(...ids: readonly string[]): UsageEvent[] {
  return ids.map((id) => usageEvent({ id }));
}

/** What the journal would keep of a set that was sealed. */
function seal(memory: ShardMemory, set: number, settledAtMs?: number): IdSet {
  const sealed = memory.seal(set);
  memory.cursors.seal(startRedisMs);
  if (settledAtMs !== undefined) memory.settled(set, settledAtMs);
  return { set, ids: sealed.ids.slots(), ...(settledAtMs === undefined ? {} : { settledAtMs }) };
}

describe('ShardMemory', () => {
  it('counts an id once: within a message, within a set, after it was sealed, and after it settled', () => {
    const memory = newMemory();
    count(memory, 1, events('a', 'a'));
    count(memory, 1, events('a', 'b'));
    expect(memory.open.events).toBe(2);
    seal(memory, 1);
    count(memory, 2, events('a', 'c'));
    memory.settled(1, startRedisMs);
    count(memory, 2, events('b', 'd'));
    expect(memory.open.events).toBe(2);
    expect(memory.countedEvents).toBe(4);
    expect(memory.duplicateEvents).toBe(4);
  });

  it('keeps the first value of an id', () => {
    const memory = newMemory();
    count(memory, 1, [usageEvent({ value: '5' }), usageEvent({ value: '7' })]);
    expect([...memory.open.counts.values()].map(({ tally }) => String(tally.kind === 'sum' && tally.sum))).toEqual([
      '5',
    ]);
  });

  it('takes the same id in another lane for another event', () => {
    const memory = newMemory();
    count(memory, 1, [usageEvent(), usageEvent({ customer: 'cus_2' }), usageEvent({ account: 'acct_1' })]);
    expect(memory.open.events).toBe(3);
  });

  it('takes the same id with other dimensions for the same event', () => {
    const memory = newMemory();
    count(memory, 1, [usageEvent(), usageEvent({ dimensions: { region: 'eu' }, timestamp: 1 })]);
    expect(memory.open.events).toBe(1);
  });

  it('neither remembers nor compares ids that the sidecar made', () => {
    const memory = newMemory();
    count(memory, 1, [usageEvent({ idGenerated: true }), usageEvent({ idGenerated: true })]);
    expect(memory.open.events).toBe(2);
    expect(memory.ids.size).toBe(0);
  });

  it('keeps the cursor of a message that held nothing but duplicates', () => {
    const memory = newMemory();
    count(memory, 1, events('a'));
    seal(memory, 1);
    memory.count(origin(77, { producer: 'other' }), events('a'), 2, startRedisMs, requestsCatalog, 0);
    expect(memory.open).toMatchObject({ messages: 1, events: 0 });
    expect([...memory.cursors.seal(startRedisMs).keys()]).toEqual(['7/other']);
  });

  it('gives ids to the journal under the slot of their message', () => {
    const memory = newMemory();
    memory.count(origin(1, { slot: 3 }), events('a', 'b'), 1, startRedisMs, requestsCatalog, 0);
    memory.count(origin(1, { slot: 9 }), events('c'), 1, startRedisMs, requestsCatalog, 0);
    expect(seal(memory, 1).ids.map(({ slot, bytes }) => [slot, bytes.length])).toEqual([
      [3, 32],
      [9, 16],
    ]);
  });

  describe('when the channel is gone', () => {
    it('forgets ids and cursors of the open set, so that a redelivery counts, once', () => {
      const memory = newMemory();
      memory.count(origin(1), events('a', 'b'), 1, startRedisMs, requestsCatalog, 0);
      memory.discardOpen(1);
      expect(memory.open).toMatchObject({ messages: 0, events: 0 });
      expect(memory.ids.size).toBe(0);
      expect(memory.cursors.find(origin(1))).toBe('new');
      memory.count(origin(1), events('a', 'b'), 1, startRedisMs, requestsCatalog, 0);
      expect(memory.open.events).toBe(2);
      count(memory, 1, events('a', 'b'));
      expect(memory.open.events).toBe(2);
    });

    it('keeps what was sealed, settled or not', () => {
      const memory = newMemory();
      count(memory, 1, events('a'));
      seal(memory, 1);
      count(memory, 2, events('a', 'b'));
      memory.discardOpen(2);
      count(memory, 2, events('a', 'b'));
      expect(memory.open.events).toBe(1);
    });
  });

  describe('forgets ids', () => {
    const windowMs = hourMs;
    const settledAtMs = startRedisMs + 10 * minuteMs;

    function settledOnce(): ShardMemory {
      const memory = newMemory({ dedupWindowMs: windowMs });
      count(memory, 1, events('a'));
      seal(memory, 1, settledAtMs);
      return memory;
    }

    it('once the oldest message of a set was accepted later than settlement and window', () => {
      const memory = settledOnce();
      expect(memory.forgettableIdSets(settledAtMs + windowMs, true)).toEqual([]);
      expect(memory.forgettableIdSets(settledAtMs + windowMs + 1, true)).toEqual([1]);
    });

    it('of no set, however old, as long as an older message may still come', () => {
      expect(settledOnce().forgettableIdSets(settledAtMs + 1_000 * hourMs, false)).toEqual([]);
    });

    it('only when the commit that says so is in the journal', () => {
      const memory = settledOnce();
      memory.forgettableIdSets(settledAtMs + windowMs + 1, true);
      count(memory, 2, events('a'));
      expect(memory.open.events).toBe(0);
      memory.forgetIdSets([1]);
      count(memory, 2, events('a'));
      expect(memory.open.events).toBe(1);
      expect(memory.forgettableIdSets(Number.MAX_SAFE_INTEGER, true)).toEqual([]);
    });

    it('never of a set that is pending, however old', () => {
      const memory = newMemory();
      count(memory, 1, events('a'));
      seal(memory, 1);
      expect(memory.forgettableIdSets(startRedisMs + 1_000 * hourMs, true)).toEqual([]);
    });

    it('of the oldest settled sets before their time when there are too many, and counts them', () => {
      const memory = newMemory({ dedupMaxIds: 3 });
      for (const [set, ids] of [['a', 'b'], ['c'], ['d', 'e']].entries()) {
        count(memory, set + 1, events(...ids));
        seal(memory, set + 1, settledAtMs);
      }
      expect(memory.forgettableIdSets(startRedisMs, true)).toEqual([1]);
      expect(memory.idsForgottenEarly).toBe(2);
    });

    it('never of a set that is pending, even when there are too many', () => {
      const memory = newMemory({ dedupMaxIds: 1 });
      count(memory, 1, events('a', 'b'));
      seal(memory, 1);
      count(memory, 2, events('c', 'd'));
      expect(memory.forgettableIdSets(startRedisMs, true)).toEqual([]);
    });

    it('of every set whose time is over, in one go', () => {
      const memory = newMemory();
      for (const set of [1, 2, 3]) {
        count(memory, set, events(`id of ${set}`));
        seal(memory, set, settledAtMs + set * minuteMs);
      }
      expect(memory.forgettableIdSets(settledAtMs + windowMs + 3 * minuteMs, true)).toEqual([1, 2]);
    });

    // After a pause longer than the window one commit dropped the ids of every set there was, in one script: Redis stood still.
    it('of a thousand sets with one commit at most, and of the others with those that follow', () => {
      const memory = newMemory();
      for (let set = 1; set <= 1_500; set++) {
        count(memory, set, events(`id of ${set}`));
        seal(memory, set, settledAtMs);
      }
      const much = settledAtMs + 1_000 * hourMs;
      const first = memory.forgettableIdSets(much, true);
      expect([first.length, first.at(0), first.at(-1)]).toEqual([1_000, 1, 1_000]);
      memory.forgetIdSets(first);
      expect(memory.forgettableIdSets(much, true)).toHaveLength(500);
    });
  });

  it('goes on in its successor where it was: committed ids and cursors, pending ones and settled ones', () => {
    const memory = newMemory();
    memory.count(origin(1), events('a'), 1, startRedisMs, requestsCatalog, 0);
    const first = memory.seal(1);
    const cursors = memory.cursors.seal(startRedisMs);
    memory.count(origin(2), events('b'), 2, startRedisMs, requestsCatalog, 0);
    const second = memory.seal(2);
    for (const [key, cursor] of memory.cursors.seal(startRedisMs)) cursors.set(key, cursor);

    const successor = newMemory();
    const idSets: IdSet[] = [
      { set: 2, ids: second.ids.slots() },
      { set: 1, settledAtMs: startRedisMs, ids: first.ids.slots() },
    ];
    successor.load(shardState({ next: 3, cursors, idSets }));
    expect([1, 2, 3].map((known) => successor.cursors.find(origin(known)))).toEqual(['sealed', 'sealed', 'new']);
    count(successor, 3, events('a', 'b', 'c'));
    expect(successor.open.events).toBe(1);
    expect(successor.forgettableIdSets(startRedisMs + 2 * hourMs, true)).toEqual([1]);
    successor.settled(2, startRedisMs);
    expect(successor.forgettableIdSets(startRedisMs + 2 * hourMs, true)).toEqual([1, 2]);
  });

  it('counts every id as often as a set of what is remembered would, through seals, settlements and lost channels', () => {
    type Action = { readonly type: 'message'; readonly ids: string[] } | { readonly type: 'seal' | 'settle' | 'lose' };
    const action: fc.Arbitrary<Action> = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          type: fc.constant('message' as const),
          ids: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1, maxLength: 4 }),
        }),
      },
      { weight: 3, arbitrary: fc.constantFrom<Action>({ type: 'seal' }, { type: 'settle' }, { type: 'lose' }) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
        const memory = newMemory({ dedupMaxIds: 4 });
        const remembered = new Map<string, number>();
        let pending: number | undefined;
        let next = 1;
        for (const step of actions) {
          switch (step.type) {
            case 'message': {
              const before = memory.open.events;
              const fresh = new Set(step.ids.filter((id) => !remembered.has(id)));
              count(memory, next, events(...step.ids));
              for (const id of fresh) remembered.set(id, next);
              expect(memory.open.events - before).toBe(fresh.size);
              break;
            }
            case 'seal': {
              if (pending !== undefined) break;
              const forgotten = memory.forgettableIdSets(startRedisMs, true);
              seal(memory, next);
              memory.forgetIdSets(forgotten);
              for (const [id, set] of remembered) if (forgotten.includes(set)) remembered.delete(id);
              pending = next++;
              break;
            }
            case 'settle':
              if (pending !== undefined) memory.settled(pending, startRedisMs);
              pending = undefined;
              break;
            case 'lose':
              memory.discardOpen(next);
              for (const [id, set] of remembered) if (set === next) remembered.delete(id);
              break;
          }
          expect(memory.ids.size).toBe(remembered.size);
        }
      }),
    );
  });
});
