import { describe, expect, it } from 'vitest';
import { laneName } from '../../../../shared/event/lane.ts';
import { RecentIds } from './recent-ids.ts';

const lane = laneName({ customer: 'cus_a', meter: 'tokens' });
const open = (idsMax = 100, ageMs = 1_000): RecentIds => new RecentIds({ idsMax, ageMs }, 0);

describe('RecentIds', () => {
  it('gives an id to the first request that claims it, and names it to the others', () => {
    const recent = open();
    const [first, second] = [recent.open(0), recent.open(0)];
    expect(recent.claim(lane, 'a', first)).toBeUndefined();
    expect(recent.claim(lane, 'a', first)).toBe(first);
    expect(recent.claim(lane, 'a', second)).toBe(first);
    expect(recent.claim(lane, 'b', second)).toBeUndefined();
  });

  it('says that an id is durable only once its request is', () => {
    const recent = open();
    const first = recent.open(0);
    recent.claim(lane, 'a', first);
    expect(recent.claim(lane, 'a', recent.open(0))?.outcome).toBeUndefined();
    recent.settle(first, 'durable');
    expect(recent.claim(lane, 'a', recent.open(0))?.outcome).toBe('durable');
  });

  it('gives the ids of a request that failed to the next one', () => {
    const recent = open();
    const [first, second] = [recent.open(0), recent.open(0)];
    recent.claim(lane, 'a', first);
    recent.settle(first, 'expired');
    expect(recent.claim(lane, 'a', second)).toBeUndefined();
    expect(recent.claim(lane, 'a', recent.open(0))).toBe(second);
  });

  it('tells those who wait when a request ends', () => {
    const recent = open();
    const first = recent.open(0);
    const told: unknown[] = [];
    first.listeners = [() => told.push(first.outcome)];
    recent.settle(first, 'overloaded');
    expect(told).toEqual(['overloaded']);
  });

  it.each([
    ['another customer', laneName({ customer: 'cus_b', meter: 'tokens' }), 'a'],
    ['another meter', laneName({ customer: 'cus_a', meter: 'storage' }), 'a'],
    ['another account', laneName({ account: 'acct_1', customer: 'cus_a', meter: 'tokens' }), 'a'],
    ['another id', lane, 'aa'],
    ['the same characters elsewhere', laneName({ customer: 'cus_', meter: 'atokens' }), 'a'],
  ])('takes %s for another event', (_, otherLane, id) => {
    const recent = open();
    const holder = recent.open(0);
    recent.claim(lane, 'a', holder);
    expect(recent.claim(otherLane, id, holder)).toBeUndefined();
  });

  it('remembers between one and two generations of ids', () => {
    const recent = open(100);
    const holder = recent.open(0);
    for (let index = 0; index < 1_000; index++) expect(recent.claim(lane, `id ${index}`, holder)).toBeUndefined();
    recent.settle(holder, 'durable');
    const known = (index: number): boolean => recent.claim(lane, `id ${index}`, recent.open(0)) !== undefined;
    // The youngest hundred: looking at them claims nothing, since all of them are known.
    for (let index = 900; index < 1_000; index++) expect(known(index), `id ${index}`).toBe(true);
    expect(known(799)).toBe(false);
  });

  it('forgets by time, also after a long pause', () => {
    const recent = open(100, 1_000);
    const claim = (nowMs: number) => {
      const holder = recent.open(nowMs);
      const before = recent.claim(lane, 'a', holder);
      recent.settle(holder, 'durable');
      return before?.outcome;
    };
    expect([claim(0), claim(999), claim(1_999), claim(2_000), claim(1e9), claim(1e9 + 500)]).toEqual([
      undefined,
      'durable',
      'durable',
      undefined,
      undefined,
      'durable',
    ]);
  });

  it('keeps the ids of a request that failed free, however often generations turn', () => {
    const recent = open(10);
    const failed = recent.open(0);
    recent.claim(lane, 'a', failed);
    for (let index = 0; index < 9; index++) recent.claim(lane, `fill ${index}`, failed);
    recent.settle(failed, 'expired');
    const other = recent.open(0);
    for (let index = 0; index < 8; index++) recent.claim(lane, `more ${index}`, other);
    expect(recent.claim(lane, 'a', other)).toBeUndefined();
  });

  it('holds the longest lane and id, and finds no id among a hundred thousand others', () => {
    const recent = open(100_000);
    const longest = laneName({ account: 'ü'.repeat(255), customer: '日'.repeat(255), meter: 'm'.repeat(100) });
    const holder = recent.open(0);
    expect(recent.claim(longest, 'i'.repeat(100), holder)).toBeUndefined();
    expect(recent.claim(longest, `${'i'.repeat(99)}j`, holder)).toBeUndefined();
    let found = 0;
    for (let index = 0; index < 99_000; index++) if (recent.claim(lane, String(index), holder) !== undefined) found++;
    expect(found).toBe(0);
  });
});
