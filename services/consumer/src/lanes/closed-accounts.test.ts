import { expect, it, vi } from 'vitest';
import { listWaitMs } from '../meters/meter-knowledge.ts';
import { Drive } from '../sending/drive.ts';
import { entry } from '../shard/testing/fixtures.ts';
import { ClosedAccounts } from './closed-accounts.ts';
import { defaultDriveLimits } from './drive-limits.ts';
import { newItem } from './item.ts';

const reason = 'this account is revoked';
const unreadable = { reason: 'its list answers 500', sinceMs: 0 };

function itemOf(account: string | undefined, meter = 'requests') {
  return newItem(entry({ meter, ...(account === undefined ? {} : { account }) }), 1, 0);
}

/** How many times anything is looked up in a map meanwhile. */
function lookUps(work: () => void): number {
  const get = vi.spyOn(Map.prototype, 'get');
  const next = vi.spyOn(Object.getPrototypeOf(new Map().entries()) as { next: () => unknown }, 'next');
  try {
    work();
    return get.mock.calls.length + next.mock.calls.length;
  } finally {
    get.mockRestore();
    next.mockRestore();
  }
}

/**
 * 5,000 connected accounts were revoked at once: every tick of every shard went through all of them, and so did every question for
 * free places, whether or not the set had anything of them.
 */
it('costs a tick the same with ten closed accounts and with ten thousand', () => {
  const perTick = [10, 10_000].map((accounts) => {
    const drive = new Drive(defaultDriveLimits, () => 0.5);
    for (let account = 0; account < accounts; account++) drive.accounts.changed(`acct_${account}`, reason, 0);
    drive.startSet([itemOf('acct_0'), itemOf(undefined)], 0, 0);
    return lookUps(() => {
      expect(drive.accounts.left(0)).toBe(1);
      expect(drive.deferred.free).toBe(defaultDriveLimits.deferredMax);
    });
  });
  expect(perTick[1]).toBe(perTick[0]);
  expect(perTick[1]).toBeLessThan(10);
});

it('looks at a meter without a newer list once it is overdue, and not at every tick', () => {
  const accounts = new ClosedAccounts();
  const items = Array.from({ length: 1_000 }, (_, meter) => itemOf(undefined, `meter_${meter}`));
  for (const item of items) accounts.waits(item);
  for (const [at, item] of items.entries()) accounts.judged(item, true, at);
  const firstMs = listWaitMs;
  expect(accounts.left(firstMs - 1)).toBe(0);
  expect(accounts.left(firstMs)).toBe(1);
  expect(accounts.left(firstMs + 499)).toBe(500);
  const looks = vi.spyOn(Object.getPrototypeOf(new Set().values()) as { next: () => unknown }, 'next');
  expect(accounts.left(firstMs + 499)).toBe(500);
  const looked = looks.mock.calls.length;
  looks.mockRestore();
  expect(looked).toBeLessThan(5);
});

it('counts what is left right, whatever comes first: closed, without a list, undecided, ended, and open again', () => {
  const accounts = new ClosedAccounts();
  const [one, two, own] = [itemOf('acct_1'), itemOf('acct_1', 'seats'), itemOf(undefined, 'misspelt')];
  accounts.changed('acct_1', reason, 0);
  for (const item of [one, two, own]) accounts.waits(item);
  expect(accounts.left(0)).toBe(2);
  accounts.listRead('acct_1', unreadable, false);
  accounts.changed('acct_1', undefined, 0);
  expect(accounts.itemsLeft(0)).toEqual([
    { item: one, ...unreadable },
    { item: two, ...unreadable },
  ]);
  accounts.judged(own, true, 0);
  accounts.judged(two, true, 0);
  expect(accounts.left(listWaitMs)).toBe(3);
  accounts.listRead('acct_1', undefined, true);
  expect(accounts.itemsLeft(listWaitMs).map(({ item }) => item)).toEqual([two, own]);
  accounts.ended(own);
  accounts.judged(two, false, listWaitMs);
  expect(accounts.left(listWaitMs)).toBe(0);
  accounts.changed('acct_1', reason, 0);
  expect(accounts.left(listWaitMs)).toBe(2);
  accounts.ended(one);
  expect(accounts.itemsLeft(listWaitMs)).toEqual([{ item: two, reason, sinceMs: 0 }]);
  accounts.newSet();
  expect(accounts.left(listWaitMs)).toBe(0);
});

it('knows how many deferred entries are of closed accounts, whether they came before or after', () => {
  const accounts = new ClosedAccounts();
  for (const account of ['acct_1', 'acct_1', 'acct_2', undefined]) accounts.held(account);
  expect(accounts.deferredOfThem).toBe(0);
  accounts.changed('acct_1', reason, 0);
  accounts.listRead('acct_1', unreadable, false);
  accounts.held('acct_1');
  expect(accounts.deferredOfThem).toBe(3);
  accounts.released('acct_1');
  accounts.changed('acct_1', undefined, 0);
  expect(accounts.deferredOfThem).toBe(2);
  accounts.listRead('acct_1', undefined, true);
  expect(accounts.deferredOfThem).toBe(0);
});
