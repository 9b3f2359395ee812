import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('lets so many run at a time, the others in order, whatever becomes of them', async () => {
  const turns = new Turns(2);
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const runs = gates.map(({ promise }, index) =>
    turns.run(async () => {
      begun.push(index);
      await promise;
      return index;
    }),
  );
  const results = Promise.allSettled(runs);
  const after = async (expected: readonly number[]): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(expected);
  };
  await after([0, 1]);
  gates[1]?.reject(new Error('broken'));
  await after([0, 1, 2]);
  for (const { resolve } of gates) resolve();
  expect((await results).map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  await expect(turns.run(() => Promise.resolve(5))).resolves.toBe(5);
});
