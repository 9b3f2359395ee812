import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayMs, origin, startRedisMs } from '../shard/testing/fixtures.ts';
import { Cursors } from './cursors.ts';

type Action =
  | { readonly type: 'add'; readonly producer: string; readonly slot: number; readonly sequence: number }
  | { readonly type: 'seal' }
  | { readonly type: 'discard' };

const producers = ['a', 'b'];
const slots = [0, 1];
const sequences = Array.from({ length: 12 }, (_, index) => index + 1);

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...producers), fc.constantFrom(...slots), fc.constantFrom(...sequences))
      .map(([producer, slot, sequence]): Action => ({ type: 'add', producer, slot, sequence })),
  },
  { weight: 1, arbitrary: fc.constant<Action>({ type: 'seal' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ type: 'discard' }) },
);

describe('Cursors', () => {
  it('knows for every message whether it is new, open or sealed, as a journal that loses what is discarded', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
        const cursors = new Cursors();
        const journal = new Map<string, string>();
        const sealed = new Set<string>();
        const open = new Set<string>();
        for (const step of actions) {
          switch (step.type) {
            case 'add': {
              const key = `${step.slot}/${step.producer}/${step.sequence}`;
              if (sealed.has(key) || open.has(key)) break;
              cursors.add(step);
              open.add(key);
              break;
            }
            case 'seal':
              for (const [key, text] of cursors.seal(startRedisMs)) journal.set(key, text);
              for (const key of open) sealed.add(key);
              open.clear();
              break;
            case 'discard':
              cursors.discardOpen();
              open.clear();
              break;
          }
        }
        const successor = new Cursors();
        successor.load(journal);
        for (const producer of producers) {
          for (const slot of slots) {
            for (const sequence of sequences) {
              const key = `${slot}/${producer}/${sequence}`;
              const known = sealed.has(key);
              expect(cursors.find({ producer, slot, sequence })).toBe(
                known ? 'sealed' : open.has(key) ? 'open' : 'new',
              );
              expect(successor.find({ producer, slot, sequence })).toBe(known ? 'sealed' : 'new');
            }
          }
        }
      }),
    );
  });

  it('seals the full value of each cursor that changed, and of no other', () => {
    const cursors = new Cursors();
    cursors.load(
      new Map([
        ['7/producer', '1;100;1-3,9'],
        ['7/other', '1;100;1'],
      ]),
    );
    cursors.add(origin(4));
    cursors.add(origin(1, { slot: 8 }));
    expect(cursors.seal(startRedisMs)).toEqual(
      new Map([
        ['7/producer', `1;${startRedisMs / 1000};1-4,9`],
        ['8/producer', `1;${startRedisMs / 1000};1`],
      ]),
    );
    expect(cursors.seal(startRedisMs)).toEqual(new Map());
  });

  it('keeps nothing of a producer that was only seen by a channel that died', () => {
    const cursors = new Cursors();
    cursors.add(origin(1));
    cursors.discardOpen();
    expect(cursors.size).toBe(0);
    expect(cursors.seal(startRedisMs)).toEqual(new Map());
  });

  it('takes a message as new that a later one has overtaken', () => {
    const cursors = new Cursors();
    cursors.load(new Map([['7/producer', '1;100;5']]));
    expect(cursors.find(origin(4))).toBe('new');
    expect(cursors.find(origin(5))).toBe('sealed');
  });

  it.each(['', '1', '1;100', '2;100;1-3', '1;100;3-1', 'x;y;z'])(
    'stops at the value %j rather than count anew',
    (text) => {
      expect(() => new Cursors().load(new Map([['7/producer', text]]))).toThrow(/7\/producer/);
    },
  );

  describe('forget', () => {
    const loaded = () => {
      const cursors = new Cursors();
      cursors.load(new Map([['7/producer', `1;${startRedisMs / 1000};1-3`]]));
      return cursors;
    };

    it('keeps a cursor until a message accepted 40 days after its last seal is the oldest of a set', () => {
      const cursors = loaded();
      expect(cursors.forget(startRedisMs + 40 * dayMs)).toEqual([]);
      expect(cursors.forget(startRedisMs + 40 * dayMs + 1)).toEqual(['7/producer']);
      expect(cursors.size).toBe(0);
    });

    // A backlog of 41 days: by the clock the cursor would be gone while the copies that it recognises are still on their way.
    it('does not look at the clock: a set of old messages keeps cursors of its own age', () => {
      const cursors = loaded();
      cursors.add(origin(1, { producer: 'other' }));
      cursors.seal(startRedisMs + 100 * dayMs);
      expect(cursors.forget(startRedisMs + dayMs)).toEqual([]);
      expect(cursors.find(origin(3))).toBe('sealed');
    });

    it('counts the 40 days from the last seal that touched the cursor', () => {
      const cursors = loaded();
      cursors.add(origin(4));
      cursors.seal(startRedisMs + 30 * dayMs);
      expect(cursors.forget(startRedisMs + 50 * dayMs)).toEqual([]);
    });

    it('keeps a cursor that the open set has touched, however old its sealed part', () => {
      const cursors = loaded();
      cursors.add(origin(4));
      expect(cursors.forget(startRedisMs + 90 * dayMs)).toEqual([]);
      expect(cursors.find(origin(4))).toBe('open');
    });
  });
});
