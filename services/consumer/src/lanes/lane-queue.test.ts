import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entries, entry, itemsOf } from '../shard/testing/fixtures.ts';
import { newItem, type Item } from './item.ts';
import { LaneQueue } from './lane-queue.ts';

type Action =
  | { readonly type: 'add'; readonly lane: number }
  | { readonly type: 'mark'; readonly max: number }
  | { readonly type: 'marked' | 'take' | 'end' }
  | { readonly type: 'retry' | 'wait'; readonly ms: number };

const ms = fc.integer({ min: 1, max: 50 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.nat(4).map((lane): Action => ({ type: 'add', lane })) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map((max): Action => ({ type: 'mark', max })) },
  { weight: 3, arbitrary: fc.constantFrom<Action>({ type: 'marked' }, { type: 'end' }) },
  { weight: 4, arbitrary: fc.constant<Action>({ type: 'take' }) },
  { weight: 2, arbitrary: ms.map((waited): Action => ({ type: 'retry', ms: waited })) },
  { weight: 2, arbitrary: ms.map((waited): Action => ({ type: 'wait', ms: waited })) },
);

function laneItem(lane: number, name: string): Item {
  return newItem(entry({ customer: `cus_${lane}`, identifier: name }), 1, 0);
}

/** Marks everything that is unmarked, takes what is armed. */
function takeAll(queue: LaneQueue, nowMs: number): Item[] {
  queue.marked(queue.takeUnmarked(Number.POSITIVE_INFINITY), 0, nowMs);
  const taken: Item[] = [];
  for (let item = queue.take(nowMs); item !== undefined; item = queue.take(nowMs)) taken.push(item);
  return taken;
}

describe('LaneQueue', () => {
  it('has one item of a lane out at a time, in order, marked and not before its time, and loses none', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 150, size: 'max' }), (actions) => {
        const queue = new LaneQueue();
        const model = new Map<string, Item[]>();
        const isOut = new Set<string>();
        let marking: Item[] = [];
        const busy: Item[] = [];
        let nowMs = 0;
        let added = 0;

        const takeOut = (item: Item) => {
          const lane = item.entry.customer;
          expect(isOut.has(lane)).toBe(false);
          expect(model.get(lane)?.[0]).toBe(item);
          expect(item.readyAtMs).toBeLessThanOrEqual(nowMs);
          isOut.add(lane);
        };
        const take = () => {
          const item = queue.take(nowMs);
          if (item === undefined) return;
          expect(item.marked).toBe(true);
          takeOut(item);
          busy.push(item);
        };
        const end = (item: Item) => {
          queue.leave(item);
          model.get(item.entry.customer)?.shift();
          isOut.delete(item.entry.customer);
          queue.next(item, nowMs);
        };
        const mark = (max: number) => {
          if (marking.length > 0) return;
          marking = queue.takeUnmarked(max);
          for (const item of marking) takeOut(item);
        };
        const marked = () => {
          for (const item of marking) isOut.delete(item.entry.customer);
          queue.marked(marking, 0, nowMs);
          marking = [];
        };

        for (const step of actions) {
          switch (step.type) {
            case 'add': {
              const item = laneItem(step.lane, `entry-${added++}`);
              model.set(item.entry.customer, [...(model.get(item.entry.customer) ?? []), item]);
              queue.add(item, nowMs);
              break;
            }
            case 'mark':
              mark(step.max);
              break;
            case 'marked':
              marked();
              break;
            case 'take':
              take();
              break;
            case 'end': {
              const item = busy.shift();
              if (item !== undefined) end(item);
              break;
            }
            case 'retry': {
              const item = busy.shift();
              if (item === undefined) break;
              item.readyAtMs = nowMs + step.ms;
              isOut.delete(item.entry.customer);
              queue.next(item, nowMs);
              break;
            }
            case 'wait':
              nowMs += step.ms;
              queue.wake(nowMs);
              break;
          }
        }

        nowMs += 1_000;
        queue.wake(nowMs);
        for (let round = 0; round <= added * 2; round++) {
          marked();
          for (const item of busy.splice(0)) end(item);
          mark(1_000);
          marked();
          take();
        }
        for (const item of busy.splice(0)) end(item);
        expect([...model.values()].flat()).toEqual([]);
        expect(queue.armed.size).toBe(0);
        expect(queue.hasUnmarked(Number.POSITIVE_INFINITY)).toBe(false);
      }),
    );
  });

  it('takes lanes side by side', () => {
    const queue = new LaneQueue();
    for (const item of itemsOf(entries(300))) queue.add(item, 0);
    expect(takeAll(queue, 0)).toHaveLength(300);
  });

  it('takes entries of one lane in turn, whatever their dimensions', () => {
    const queue = new LaneQueue();
    const items = Array.from({ length: 10 }, (_, index) =>
      newItem(entry({ identifier: `entry-${index}`, dimensions: { region: String(index) } }), 1, index),
    );
    for (const item of items) queue.add(item, 0);
    for (const item of items) {
      expect(takeAll(queue, 0)).toEqual([item]);
      queue.leave(item);
      queue.next(item, 0);
    }
  });

  it('tells lanes apart by account', () => {
    const queue = new LaneQueue();
    queue.add(newItem(entry(), 1, 0), 0);
    queue.add(newItem(entry({ account: 'acct_1' }), 1, 1), 0);
    queue.marked(queue.takeUnmarked(2), 0, 0);
    expect(queue.armed).toEqual(
      new Map([
        ['', 1],
        ['acct_1', 1],
      ]),
    );
    expect(queue.take(0, 'acct_1')?.entry.account).toBe('acct_1');
    expect(queue.take(0, 'acct_1')).toBeUndefined();
    expect(queue.take(0)?.entry.account).toBeUndefined();
  });

  it('marks an item once: a retry needs no second journal entry, and the first time stays', () => {
    const queue = new LaneQueue();
    const item = laneItem(1, 'entry');
    queue.add(item, 0);
    queue.marked(queue.takeUnmarked(1), 1_000, 0);
    queue.take(0);
    queue.next(item, 0);
    expect(queue.hasUnmarked(1)).toBe(false);
    expect(queue.take(0)).toBe(item);
    queue.marked([item], 2_000, 0);
    expect(item.attemptedAtMs).toBe(1_000);
  });

  it('keeps order and count over many more takes than it holds at a time', () => {
    const queue = new LaneQueue();
    for (let round = 0; round < 2_000; round++) {
      const item = laneItem(round, `entry-${round}`);
      queue.add(item, 0);
      queue.marked(queue.takeUnmarked(1), 0, 0);
      expect(queue.armed).toEqual(new Map([['', 1]]));
      expect(queue.take(0)).toBe(item);
      queue.leave(item);
      queue.next(item, 0);
    }
    expect(queue.armed.size).toBe(0);
  });

  // `out.push(...lanes)` has one argument per lane: beyond some 120,000 of one account it threw.
  it('goes on behind items that are gone, however many lanes they are of', () => {
    const queue = new LaneQueue();
    const items = Array.from({ length: 150_000 }, (_, lane) => laneItem(lane, `first of ${lane}`));
    for (const item of items) queue.add(item, 0);
    queue.add(laneItem(7, 'second of 7'), 0);
    for (const item of items) queue.leave(item);
    queue.wake(0);
    expect(takeAll(queue, 0).map(({ entry: { identifier } }) => identifier)).toEqual(['second of 7']);
  });
});
