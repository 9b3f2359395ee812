import { expect, it } from 'vitest';
import type { Owed } from '../../lab/load/books.ts';
import { counts, isExact, sum, type Verdict } from './verdict.ts';

const owed: readonly Owed[] = ['a', 'b', 'c'].map((customer) => ({
  customer,
  meter: 'tokens',
  formula: 'sum',
  units: 10_000n,
  events: 10,
}));
const different = (customer: string, kind: 'short' | 'over' | 'wrong') =>
  ({ customer, meter: 'tokens', kind, owed: '1', billed: '2' }) as const;
const exact: Verdict = { ...counts(owed, [], 30), dead: 0, pending: 0 };

it('counts the events of totals that agree as billed', () => {
  expect(counts(owed, [], 30)).toMatchObject({ accepted: 30, billed: 30, lost: 0, duplicated: 0 });
  const differences = [different('a', 'short'), different('b', 'over'), different('c', 'wrong')];
  expect(counts(owed, differences, 30)).toMatchObject({ accepted: 30, billed: 0, lost: 2, duplicated: 1 });
});

it('takes what nobody owes for duplicated', () => {
  expect(counts(owed, [different('nobody', 'over')], 30)).toMatchObject({ accepted: 30, billed: 30, duplicated: 1 });
});

it('sees by their number that events were lost or doubled whose amounts agree', () => {
  expect(counts(owed, [], 28)).toMatchObject({ lost: 2, duplicated: 0 });
  expect(counts(owed, [], 31)).toMatchObject({ lost: 0, duplicated: 1 });
});

it('is exact only if everything is billed and nothing is left over', () => {
  expect(isExact(exact)).toBe(true);
  for (const part of ['dead', 'pending', 'lost', 'duplicated'] as const) {
    expect(isExact({ ...exact, [part]: 1 })).toBe(false);
  }
  expect(isExact({ ...exact, billed: 29 })).toBe(false);
  expect(isExact({ ...counts([], [], 0), dead: 0, pending: 0 }), 'an audit of nothing proves nothing').toBe(false);
});

it('adds up', () => {
  expect(sum([exact, { ...exact, lost: 1 }])).toMatchObject({ accepted: 60, billed: 60, lost: 1 });
});
