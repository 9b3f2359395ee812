import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Memory } from './memory.ts';

const lifetimeMs = 1_000;
const newMemory = (entriesMax: number): Memory => new Memory({ lifetimeMs, entriesMax });

it('remembers for its lifetime to the millisecond', () => {
  const memory = newMemory(100);
  memory.set('a', 'one', 50);
  expect(memory.get('a', 1_049)).toBe('one');
  expect(memory.get('a', 1_050)).toBeUndefined();
});

it('agrees with remembering everything, and holds little more than what is alive', () => {
  const steps = fc.array(
    fc.record({ pauseMs: fc.integer({ min: 0, max: 300 }), key: fc.integer({ min: 0, max: 9 }) }),
    {
      maxLength: 300,
    },
  );
  fc.assert(
    fc.property(steps, (visits) => {
      const memory = newMemory(1_000_000);
      const stored = new Map<string, number>();
      let nowMs = 0;
      for (const { pauseMs, key } of visits) {
        nowMs += pauseMs;
        const storedMs = stored.get(String(key));
        const expected = storedMs !== undefined && nowMs - storedMs < lifetimeMs ? String(storedMs) : undefined;
        expect(memory.get(String(key), nowMs)).toBe(expected);
        memory.set(String(key), String(nowMs), nowMs);
        stored.set(String(key), nowMs);
      }
    }),
  );
});

it('lets go of what has expired', () => {
  const memory = newMemory(1_000_000);
  for (let nowMs = 0; nowMs < 100 * lifetimeMs; nowMs += 10) memory.set(String(nowMs), '', nowMs);
  expect(memory.size).toBeLessThanOrEqual((lifetimeMs / 10) * 1.5 + 1);
  expect(memory.forgottenEarly).toBe(0);
});

it('forgets the oldest early at its bound, and says so', () => {
  const memory = newMemory(100);
  for (let index = 0; index < 1_000; index++) memory.set(String(index), '', 0);
  expect(memory.size).toBeLessThanOrEqual(100);
  expect(memory.get('999', 1)).toBe('');
  expect(memory.get('0', 1)).toBeUndefined();
  expect(memory.forgottenEarly + memory.size).toBe(1_000);
});
