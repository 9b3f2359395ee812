import { describe, expect, it } from 'vitest';
import { IdempotencyKeys, keyOf } from './idempotency.ts';

const limits = { keysMax: 10, ageMs: 1_000 };

describe('IdempotencyKeys', () => {
  it('tells the repetition of a request, and when it was there first', () => {
    const keys = new IdempotencyKeys(limits, 0);
    expect(keys.enter('k', 'request', 5, 0)).toBeUndefined();
    expect(keys.enter('k', 'request', 9, 0)).toMatchObject({ createdMs: 5 });
  });

  it('refuses a key that was used for another request', () => {
    const keys = new IdempotencyKeys(limits, 0);
    keys.enter('k', 'request', 0, 0);
    expect(() => keys.enter('k', 'other', 0, 0)).toThrow(expect.objectContaining({ type: 'idempotency_error' }));
    keys.forget('k');
    expect(keys.enter('k', 'other', 0, 0)).toBeUndefined();
  });

  it('keeps the keys of accounts apart', () => {
    expect(keyOf('acct_1', 'k')).not.toBe(keyOf(undefined, 'k'));
    expect(keyOf('a', 'b')).toBe(keyOf('a', 'b'));
  });

  it('forgets by number and by age', () => {
    const keys = new IdempotencyKeys(limits, 0);
    for (let index = 0; index < 30; index++) keys.enter(String(index), 'r', index, 0);
    expect(keys.enter('29', 'r', 99, 0)).toMatchObject({ createdMs: 29 });
    expect(keys.enter('5', 'r', 99, 0)).toBeUndefined();
    keys.enter('turns', 'r', 0, 1_000);
    keys.enter('turns again', 'r', 0, 2_000);
    expect(keys.enter('29', 'r', 99, 2_000)).toBeUndefined();
  });
});
