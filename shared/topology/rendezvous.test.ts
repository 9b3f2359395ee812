import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spread, weight } from './rendezvous.ts';

const clusters = fc.record({
  members: fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 24 }),
  shards: fc.integer({ min: 1, max: 64 }),
});

function ownedBy(members: readonly string[], owners: ReadonlyMap<number, string>): number[] {
  return members.map((member) => [...owners.values()].filter((owner) => owner === member).length);
}

function moves(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>): number {
  return [...after].filter(([shard, owner]) => before.get(shard) !== owner).length;
}

describe('weight', () => {
  it('is a constant of topology format 1', () => {
    expect(weight('', '')).toBe(91794203);
    expect(weight('a', 'b')).toBe(1564531501);
    expect(weight('shard 1', 'slot 0')).toBe(707422621);
    expect(weight('ü', '7')).toBe(3411486581);
  });

  it('lets nodes with similar names win about equally often', () => {
    const wins = new Map<string, number>();
    const nodes = ['consumer-0', 'consumer-1', 'consumer-2', 'consumer-3'];
    for (let key = 0; key < 4000; key++) {
      const [first] = nodes.toSorted((left, right) => weight(right, String(key)) - weight(left, String(key)));
      if (first !== undefined) wins.set(first, (wins.get(first) ?? 0) + 1);
    }
    for (const node of nodes) {
      expect(wins.get(node)).toBeGreaterThan(850);
      expect(wins.get(node)).toBeLessThan(1150);
    }
  });
});

describe('spread', () => {
  it('gives every shard to one member, none more than one above another', () => {
    fc.assert(
      fc.property(clusters, ({ members, shards }) => {
        const owners = spread(members, shards);
        expect([...owners.keys()].toSorted((left, right) => left - right)).toEqual([...new Array(shards).keys()]);
        const owned = ownedBy(members, owners);
        expect(owned.reduce((sum, count) => sum + count, 0)).toBe(shards);
        expect(Math.max(...owned) - Math.min(...owned)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('depends on the set of members, not on their order or repetition', () => {
    fc.assert(
      fc.property(clusters, ({ members, shards }) => {
        const again = spread([...members.toReversed(), ...members], shards);
        expect(again).toEqual(spread(members, shards));
      }),
    );
  });

  it('gives nothing away without members', () => {
    expect(spread([], 16).size).toBe(0);
  });

  // The new member's own shards must move. Keeping the others level moves some more, at most these on average.
  it.each([
    { members: 1, own: 8, most: 8 },
    { members: 2, own: 5, most: 6.5 },
    { members: 3, own: 4, most: 6 },
    { members: 4, own: 3, most: 5 },
    { members: 7, own: 2, most: 5 },
    { members: 15, own: 1, most: 4 },
  ])('moves few of 16 shards beside the $own own ones when a member joins $members', ({ members, own, most }) => {
    const rounds = 60;
    let moved = 0;
    for (let round = 0; round < rounds; round++) {
      const before = Array.from({ length: members }, (_, index) => `member ${round}-${index}`);
      moved += moves(spread(before, 16), spread([...before, `member ${round}-new`], 16));
    }
    expect(moved / rounds).toBeGreaterThanOrEqual(own);
    expect(moved / rounds).toBeLessThanOrEqual(most);
  });
});
