import { expect, it } from 'vitest';
import { parseAmount } from './amount.ts';
import { Ledger } from './ledger.ts';
import type { Meter } from './meters.ts';

function meterOf(formula: Meter['formula'], eventTimeWindow?: Meter['eventTimeWindow']): Meter {
  return {
    id: `mtr_${formula}`,
    displayName: formula,
    eventName: formula,
    formula,
    customerKey: 'stripe_customer_id',
    valueKey: 'value',
    eventTimeWindow,
    createdS: 0,
    updatedS: 0,
    deactivatedS: undefined,
  };
}

function totalsOf(meter: Meter, events: readonly (readonly [value: string, timestampS: number])[]): unknown {
  const ledger = new Ledger();
  events.forEach(([value, timestampS], index) => {
    const amount = parseAmount(value) ?? expect.unreachable();
    ledger.count('', { meter, customer: 'cus_1', amount, timestampS }, `id-${index}`, 0);
  });
  return [...ledger.totals()];
}

const total = (meter: string, value: string, events: number): unknown => [
  { customer: 'cus_1', event_name: meter, value, events },
];

it('adds up the values of a sum meter', () => {
  expect(
    totalsOf(meterOf('sum'), [
      ['0.1', 1],
      ['0.2', 2],
      ['-0.05', 3],
    ]),
  ).toEqual(total('sum', '0.25', 3));
});

it('counts the events of a count meter', () => {
  expect(
    totalsOf(meterOf('count'), [
      ['5', 1],
      ['7', 2],
    ]),
  ).toEqual(total('count', '2', 2));
});

it('keeps the newest event of a last meter by its timestamp, of equals the one received last', () => {
  expect(
    totalsOf(meterOf('last'), [
      ['5', 10],
      ['9', 30],
      ['7', 20],
    ]),
  ).toEqual(total('last', '9', 3));
  expect(
    totalsOf(meterOf('last'), [
      ['5', 10],
      ['9', 10],
    ]),
  ).toEqual(total('last', '9', 2));
});

it('lets an event overwrite its window where the meter has windows', () => {
  const events = [
    ['5', 3_600],
    ['9', 3_601],
    ['7', 7_200],
  ] as const;
  expect(totalsOf(meterOf('sum', 'hour'), events)).toEqual(total('sum', '16', 3));
});

it('keeps customers, meters and accounts apart', () => {
  const ledger = new Ledger();
  const one = parseAmount('1') ?? expect.unreachable();
  const count = (account: string, customer: string, meter: Meter): string =>
    ledger.count(account, { meter, customer, amount: one, timestampS: 1 }, 'x', 0);
  count('', 'cus_1', meterOf('sum'));
  count('', 'cus_2', meterOf('sum'));
  count('acct_1', 'cus_1', meterOf('sum'));
  count('', 'cus_1', meterOf('last'));
  expect(ledger.lanes).toBe(4);
  expect([...ledger.totals('cus_1')]).toEqual([
    { customer: 'cus_1', event_name: 'sum', value: '1', events: 1 },
    { customer: 'cus_1', event_name: 'sum', value: '1', events: 1, account: 'acct_1' },
    { customer: 'cus_1', event_name: 'last', value: '1', events: 1 },
  ]);
});

it('shows the newest events first, and keeps no more than ten thousand', () => {
  const ledger = new Ledger();
  const meter = meterOf('sum');
  const one = parseAmount('1') ?? expect.unreachable();
  for (let index = 0; index < 10_005; index++) {
    ledger.count('', { meter, customer: `cus_${index % 2}`, amount: one, timestampS: index }, `id-${index}`, 0);
  }
  const everything = { customer: undefined, eventName: undefined };
  expect(ledger.recent(everything, 2).map(({ identifier }) => identifier)).toEqual(['id-10004', 'id-10003']);
  expect(ledger.recent({ customer: 'cus_1', eventName: 'sum' }, 1).map(({ identifier }) => identifier)).toEqual([
    'id-10003',
  ]);
  expect(ledger.recent({ customer: undefined, eventName: 'other' }, 5)).toEqual([]);
  expect(ledger.recent(everything, 20_000)).toHaveLength(10_000);
});
