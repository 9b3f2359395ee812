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
    expect(await decodeEntries(await encodeEntries([entry, { ...entry, refusal: 'why' }], 2))).toEqual([
      entry,
      { ...entry, refusal: 'why' },
    ]);
    expect(await decodeEntries(await encodeEntries([], 2))).toEqual([]);
  });

  it('come back as they were written, whatever stands in them', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const anyEntry: fc.Arbitrary<Entry> = fc.record(
      {
        identifier: text,
        account: text,
        customer: text,
        meter: text,
        meterId: text,
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
        const read = await decodeEntries(await encodeEntries(entries, 2));
        expect(JSON.stringify(read)).toBe(JSON.stringify(entries));
      }),
    );
  });

  it('come back as they were written, however many there are', async () => {
    const many = Array.from({ length: 4_001 }, (_, index) => ({ ...entry, identifier: `tm1-${index}` }));
    expect(await decodeEntries(await encodeEntries(many, 2))).toEqual(many);
  });

  it('are not read in a format that this version does not know', async () => {
    const blob = await encodeEntries([entry], 2);
    blob[0] = 9;
    await expect(decodeEntries(blob)).rejects.toThrow(/flush set is in format 9.*Run the version that wrote it/);
  });
});

describe('a parked entry', () => {
  it('comes back as it was written', () => {
    expect(decodeParked(encodeParked(parked, 2))).toEqual(parked);
  });

  it('is not read in a format that this version does not know', () => {
    const text = encodeParked(parked, 2).replace('"version":2', '"version":3');
    expect(() => decodeParked(text)).toThrow(/parked entry is in format 3/);
  });
});

// What version 0852f72 wrote, byte for byte: every later one that calls itself its successor has to read it.
describe('format 1, as the version wrote that knew no other', () => {
  const blob =
    '0128b52ffd0058a50300c287191c7069db32de7ebfa251a013f255c1675f0d0429de6b51e459f57f090188c691ceddd4d11f2272a119d5866751da3e3fc480200f8430c8f40553cdcab67f4700f9746d96727ee7b5542bfb3d13dc246c696e92df11354a84886851b27e3aa3abd86eaaec19870300e993c399e3012e5506';
  const text =
    '{"version":1,"entry":{"identifier":"tm1-i-000-1-t-0","customer":"cus_1","meter":"calls","value":"1.5","timestamp":1795316400,' +
    '"windowStartMs":1795316400000,"events":3},"state":"dead","reason":"No such customer","attempts":1,"parkedAtMs":9,"set":1}';
  const old: Entry = {
    identifier: 'tm1-i-000-1-t-0',
    customer: 'cus_1',
    meter: 'calls',
    value: '1.5',
    timestamp: 1_795_316_400,
    windowStartMs: 1_795_316_400_000,
    events: 3,
  };

  it('is read', async () => {
    expect(await decodeEntries(Buffer.from(blob, 'hex'))).toEqual([old]);
    expect(decodeParked(text)).toEqual({ ...parked, entry: old });
  });

  it('is written as that version can read it, without what it does not know', async () => {
    const entries = await encodeEntries([{ ...old, meterId: 'mtr_1' }], 1);
    expect(entries[0]).toBe(1);
    expect(await decodeEntries(entries)).toEqual([old]);
    expect(encodeParked({ ...parked, entry: { ...old, meterId: 'mtr_1' } }, 1)).toBe(text);
  });
});

it('keeps the id of an entry’s meter in format 2', async () => {
  const bound = { ...entry, meterId: 'mtr_1' };
  expect(await decodeEntries(await encodeEntries([bound], 2))).toEqual([bound]);
  expect(decodeParked(encodeParked({ ...parked, entry: bound }, 2))).toEqual({ ...parked, entry: bound });
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
