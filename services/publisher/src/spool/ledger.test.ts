import { expect, it } from 'vitest';
import { Ledger } from './ledger.ts';

it('never gives a number a second time that a cursor has named, whatever became of the files', () => {
  expect(new Ledger([], undefined).nextNumber).toBe(1);
  expect(new Ledger([], { segment: 4, offset: 10 }).nextNumber).toBe(5);
  expect(new Ledger([{ number: 9, bytes: 1 }], { segment: 4, offset: 10 }).nextNumber).toBe(10);
  // Nothing was written to it yet: a cursor stands there when everything before is through.
  expect(new Ledger([], { segment: 4, offset: 0 }).nextNumber).toBe(4);
});

it('goes on behind a segment that is gone, and behind the end of one that grows no more', () => {
  const ledger = new Ledger(
    [
      { number: 2, bytes: 50 },
      { number: 5, bytes: 70 },
    ],
    undefined,
  );
  expect(ledger.normal({ segment: 1, offset: 999 })).toEqual({ segment: 2, offset: 0 });
  expect(ledger.normal({ segment: 2, offset: 49 })).toEqual({ segment: 2, offset: 49 });
  expect(ledger.normal({ segment: 2, offset: 50 })).toEqual({ segment: 5, offset: 0 });
  expect(ledger.normal({ segment: 5, offset: 70 })).toEqual({ segment: 6, offset: 0 });
});

it('waits at the end of the segment that is being written', () => {
  const ledger = new Ledger([], undefined);
  ledger.grow(1, 30);
  expect(ledger.normal({ segment: 1, offset: 30 })).toEqual({ segment: 1, offset: 30 });
  ledger.seal();
  expect(ledger.normal({ segment: 1, offset: 30 })).toEqual({ segment: 2, offset: 0 });
});
