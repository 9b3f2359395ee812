import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEntries,
  decodeParked,
  decodeRuns,
  decodeSettled,
  encodeEntries,
  encodeParked,
  encodeRuns,
  encodeSettled,
} from './format.ts';
import type { Entry, ParkedEntry, SettledAs } from './journal.ts';

const entry: Entry = {
  identifier: 'tm1-i-000-1-t-0',
  account: 'acct_1',
  customer: 'cus_ü',
  meter: 'calls',
  dimensions: { plan: 'größer "als" \u2028' },
  value: '-0.000000000000001',
  timestamp: 1_795_316_400,
  windowStartMs: 1_795_316_400_000,
  events: 3,
};
const parked: ParkedEntry = { entry, state: 'dead', reason: 'No such customer', attempts: 1, parkedAtMs: 9, set: 1 };

describe('entries of a set', () => {
  it('come back as they were written', async () => {
    expect(await decodeEntries(await encodeEntries([entry, { ...entry, refusal: 'why' }]))).toEqual([
      entry,
      { ...entry, refusal: 'why' },
    ]);
    expect(await decodeEntries(await encodeEntries([]))).toEqual([]);
  });

  it('come back as they were written, whatever stands in them', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const anyEntry: fc.Arbitrary<Entry> = fc.record(
      {
        identifier: text,
        account: text,
        customer: text,
        meter: text,
        dimensions: fc.dictionary(text, text, { maxKeys: 3 }),
        value: text,
        timestamp: fc.nat(),
        windowStartMs: fc.nat(),
        events: fc.nat(),
        refusal: text,
      },
      {
        requiredKeys: ['identifier', 'customer', 'meter', 'value', 'timestamp', 'windowStartMs', 'events'],
        noNullPrototype: true,
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyEntry), async (entries) => {
        const read = await decodeEntries(await encodeEntries(entries));
        expect(JSON.stringify(read)).toBe(JSON.stringify(entries));
      }),
    );
  });

  it('are not read in a format that this version does not know', async () => {
    const blob = await encodeEntries([entry]);
    blob[0] = 9;
    await expect(decodeEntries(blob)).rejects.toThrow(/flush set is in format 9.*Run the version that wrote it/);
  });
});

describe('a parked entry', () => {
  it('comes back as it was written', () => {
    expect(decodeParked(encodeParked(parked))).toEqual(parked);
  });

  it('is not read in a format that this version does not know', () => {
    const text = encodeParked(parked).replace('"version":1', '"version":2');
    expect(() => decodeParked(text)).toThrow(/parked entry is in format 2/);
  });
});

describe('runs', () => {
  it('are short where indexes follow each other', () => {
    expect(encodeRuns([7, 3, 0, 1, 2, 2])).toBe('0-3,7');
    expect(encodeRuns([])).toBe('');
    expect(encodeRuns(Array.from({ length: 5_000 }, (_, index) => index))).toBe('0-4999');
  });

  it('come back as the indexes in ascending order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: 200 })), (indexes) => {
        expect(decodeRuns(encodeRuns(indexes))).toEqual(indexes.toSorted((left, right) => left - right));
      }),
    );
  });
});

describe('progress', () => {
  it('comes back as it was written', () => {
    const states: SettledAs[] = ['accepted', 'dead', 'in_doubt', 'deferred'];
    const some = fc.array(fc.tuple(fc.nat({ max: 50 }), fc.constantFrom(...states)), { minLength: 1 });
    fc.assert(
      fc.property(some, (pairs) => {
        const settled = new Map(pairs);
        expect(decodeSettled(encodeSettled(settled))).toEqual(settled);
      }),
    );
  });

  it('is not read with a state that this version does not know', () => {
    expect(() => decodeSettled('accepted=0;refunded=1')).toThrow(/progress of a flush set is in format refunded/);
  });
});
