import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Records } from './records.ts';

it('agree with a map, however keys and values look', () => {
  // Few keys, so that they come again; some longer than a chunk.
  const texts = fc.oneof(fc.constantFrom('', 'a', 'b'), fc.string({ unit: 'grapheme' }));
  const long = fc.integer({ min: 1, max: 3_000_000 }).map((length) => 'x'.repeat(length));
  const steps = fc.array(
    fc.record({ key: texts, value: fc.oneof({ weight: 20, arbitrary: texts }, { weight: 1, arbitrary: long }) }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const records = new Records();
      const expected = new Map<string, { storedMs: number; value: string }>();
      for (const [storedMs, { key, value }] of all.entries()) {
        records.add(key, value, storedMs + 0.5);
        expected.set(key, { storedMs: storedMs + 0.5, value });
        for (const [each, { value, storedMs }] of expected) {
          const found = records.get(each);
          // Whole texts of a megabyte are no help in a message.
          expect([found?.storedMs, found?.value === value], each).toEqual([storedMs, true]);
        }
      }
      expect(records.get('never')).toBeUndefined();
      expect(records.size).toBe(all.length);
    }),
  );
});

it('tell keys of the same hash apart, over many chunks', () => {
  const records = new Records();
  const sameHash = ['tm1_782cdp_9j1', 'tm1_rws7z0_3g2k'] as const;
  records.add(sameHash[0], 'one', 1);
  expect(records.get(sameHash[1])).toBeUndefined();
  for (let index = 0; index < 100_000; index++) records.add(`key-${index}`, 'x'.repeat(50), index);
  records.add(sameHash[1], 'two', 2);
  expect(records.get(sameHash[0])?.value).toBe('one');
  expect(records.get(sameHash[1])?.value).toBe('two');
});
