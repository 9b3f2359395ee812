import { describe, expect, it } from 'vitest';
import { slotCount } from '../event/lane.ts';
import { maxShards, slotMap } from './slots.ts';

const everyNumber = Array.from({ length: maxShards }, (_, index) => index + 1);

function loads(map: readonly number[], shards: number): number[] {
  const counts = new Array<number>(shards).fill(0);
  for (const shard of map) counts[shard] = (counts[shard] ?? 0) + 1;
  return counts;
}

describe('slotMap', () => {
  it.each(everyNumber)('gives each of %i shards the same number of slots, give or take one', (shards) => {
    const counts = loads(slotMap(shards), shards);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(slotCount);
    expect(counts).toHaveLength(shards);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it.each(everyNumber.slice(1))('moves only the slots of the new shard when %i shards are reached', (shards) => {
    const before = slotMap(shards - 1);
    const after = slotMap(shards);
    const moved = after.filter((shard, slot) => shard !== before[slot]);
    expect(moved).toEqual(new Array<number>(Math.floor(slotCount / shards)).fill(shards - 1));
  });

  it('is a constant of topology format 1', () => {
    expect(slotMap(1)).toEqual(new Array<number>(slotCount).fill(0));
    expect(slotMap(3).join(' ')).toBe(
      '2 0 1 1 1 1 0 1 2 1 1 1 2 0 0 0 1 1 0 0 1 2 2 1 2 2 2 0 2 0 0 1 ' +
        '2 0 2 2 2 1 2 2 1 1 2 1 2 1 1 0 0 0 2 1 1 1 2 0 0 0 0 0 2 2 0 0',
    );
    expect(slotMap(16).join(' ')).toBe(
      '6 6 13 1 14 1 8 3 5 8 15 13 14 0 7 3 11 1 15 12 7 15 4 5 7 3 9 6 8 13 15 14 ' +
        '10 4 14 2 3 4 12 11 9 9 2 11 12 1 9 5 0 8 2 10 12 4 13 7 0 10 5 10 2 6 11 0',
    );
  });

  it.each([0, -1, 1.5, 65, Number.NaN])('refuses %d shards', (shards) => {
    expect(() => slotMap(shards)).toThrow(/from 1 to 64/);
  });
});
