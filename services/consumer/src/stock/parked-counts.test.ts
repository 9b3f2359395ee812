import { expect, it } from 'vitest';
import { ParkedCounts } from './parked-counts.ts';

function setUp(readTakesMs: number) {
  const held = { dead: 0, inDoubt: 0 };
  const test = { held, nowMs: 0, reads: 0 };
  const book = {
    count: async () => held.dead + held.inDoubt,
    countInDoubt: async () => {
      test.reads++;
      test.nowMs += readTakesMs;
      return held.inDoubt;
    },
  };
  return { test, counts: new ParkedCounts(book, () => test.nowMs) };
}

// Both were one number: whoever was woken did not know whether usage was unbilled, or perhaps billed.
it('tells dead entries and those in doubt apart, by shard and in all', async () => {
  const { test, counts } = setUp(1);
  await counts.look(0);
  expect(test.reads).toBe(0);
  Object.assign(test.held, { dead: 3, inDoubt: 2 });
  await counts.look(1);
  await counts.look(2);
  expect(counts.shards.get(0)).toEqual({ dead: 0, inDoubt: 0 });
  expect(counts.shards.get(2)).toEqual({ dead: 3, inDoubt: 2 });
  expect(counts.sum).toEqual({ dead: 6, inDoubt: 4 });
});

// 200,000 dead entries cost each consumer 1.2 s of CPU a minute.
it('reads many entries as seldom as they take long, and knows how many there are all the same', async () => {
  const { test, counts } = setUp(1_000);
  Object.assign(test.held, { dead: 200_000, inDoubt: 1 });
  for (let look = 0; look < 4 * 10; look++) {
    await counts.look(0);
    test.nowMs += 15_000;
  }
  expect(test.reads).toBe(2);
  test.held.dead++;
  await counts.look(0);
  expect(counts.sum).toEqual({ dead: 200_001, inDoubt: 1 });
  Object.assign(test.held, { dead: 0, inDoubt: 0 });
  await counts.look(0);
  expect(counts.sum).toEqual({ dead: 0, inDoubt: 0 });
  test.held.inDoubt = 2;
  await counts.look(0);
  expect(counts.sum).toEqual({ dead: 0, inDoubt: 2 });
});
