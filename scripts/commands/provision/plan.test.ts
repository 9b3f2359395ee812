import type Stripe from 'stripe';
import { expect, it } from 'vitest';
import { parseFile } from '../../../shared/provision/file.ts';
import type { Found, FoundCustomer } from './found.ts';
import { planOf, stepText } from './plan.ts';

const wanted = parseFile(`
meters:
  - event_name: api
    price: { unit_amount_decimal: "0.50" }
customers:
  - email: first@example.com
`);
const [customer] = wanted.customers;

const meter = {
  id: 'mtr_1',
  event_name: 'api',
  display_name: 'api',
  default_aggregation: { formula: 'sum' },
  customer_mapping: { event_payload_key: 'stripe_customer_id' },
  value_settings: { event_payload_key: 'value' },
  event_time_window: null,
  status: 'active',
};
const price = {
  id: 'price_1',
  active: true,
  currency: 'usd',
  product: 'tallyman_api',
  lookup_key: 'tallyman_api',
  recurring: { interval: 'month', interval_count: 1, meter: 'mtr_1' },
  unit_amount_decimal: '0.5',
};
const product = { id: 'tallyman_api', name: 'api', active: true };

/** Only what a plan looks at. */
function found(
  said: {
    meters?: object[];
    product?: object;
    price?: object;
    customers?: { id?: string; prices?: object[]; currency?: string }[];
  } = {},
): Found {
  const customers = (said.customers ?? []).map(({ id = 'cus_1', prices, currency = 'usd' }) => ({
    customer: { id },
    subscriptions:
      prices === undefined
        ? []
        : [{ id: 'sub_1', currency, items: { data: prices.map((of) => ({ price: of, subscription: 'sub_1' })) } }],
  }));
  return {
    meters: (said.meters ?? []) as Stripe.Billing.Meter[],
    products: new Map(said.product === undefined ? [] : [['tallyman_api', said.product as Stripe.Product]]),
    prices: new Map(said.price === undefined ? [] : [['tallyman_api', said.price as Stripe.Price]]),
    customers: new Map(customer === undefined ? [] : [[customer, customers as unknown as FoundCustomer[]]]),
  };
}

const stepsOf = (there: Found): string[] => planOf(wanted, there).steps.map(stepText);
const complete = { meters: [meter], product, price, customers: [{ prices: [price] }] };

it('makes everything where there is nothing, in the order in which one needs the other', () => {
  expect(stepsOf(found())).toEqual([
    '+ meter api (sum)',
    '+ product api (tallyman_api)',
    '+ price of api: 0.50 of the smallest unit of usd per unit, billed every month',
    '+ customer first@example.com',
    '+ subscription of first@example.com to api (invoices are due in 30 days)',
  ]);
});

it('does nothing where everything is there', () => {
  const plan = planOf(wanted, found(complete));
  expect(plan).toMatchObject({ steps: [], notes: [], faults: [] });
  expect(plan.kept).toHaveLength(5);
});

it('reactivates an archived meter, and prefers an active one of its name', () => {
  const archived = { ...meter, id: 'mtr_0', status: 'inactive' };
  expect(stepsOf(found({ ...complete, meters: [{ ...meter, status: 'inactive' }] }))).toEqual([
    '~ meter api (mtr_1): archived, becomes active',
  ]);
  expect(stepsOf(found({ ...complete, meters: [archived, meter] }))).toEqual([]);
});

it('refuses a meter that counts otherwise: it cannot be changed', () => {
  const there = found({ ...complete, meters: [{ ...meter, default_aggregation: { formula: 'count' } }] });
  expect(planOf(wanted, there).faults).toEqual([expect.stringContaining('with formula count instead of sum.')]);
});

it.each([
  ['amount', { unit_amount_decimal: '0.05' }],
  ['currency', { currency: 'eur' }],
  ['interval', { recurring: { ...price.recurring, interval: 'year' } }],
  ['meter', { recurring: { ...price.recurring, meter: 'mtr_0' } }],
  ['state', { active: false }],
])('makes another price when the one that is there has another %s, and says who keeps the old one', (_, other) => {
  const plan = planOf(wanted, found({ ...complete, price: { ...price, ...other } }));
  expect(plan.steps.map(stepText)).toEqual([expect.stringMatching(/^\+ price of api: .*instead of price_1/)]);
  expect(plan.notes[0]).toContain('price_1');
});

it('corrects the names of product and meter', () => {
  const there = found({ ...complete, meters: [{ ...meter, display_name: 'x' }], product: { ...product, name: 'x' } });
  expect(stepsOf(there)).toEqual([
    '~ meter api (mtr_1): display name becomes api',
    '~ product tallyman_api: active, with the name api',
  ]);
});

it('never bills a meter twice to one customer, whatever price it has been subscribed with', () => {
  const other = { ...price, id: 'price_9', lookup_key: null };
  const plan = planOf(wanted, found({ ...complete, customers: [{ prices: [other] }] }));
  expect(plan.steps).toEqual([]);
  expect(plan.notes).toEqual([expect.stringContaining('cus_1 pays for api with the price price_9')]);
});

it('adds to a subscription of its own making, in the same currency, and leaves others alone', () => {
  const sibling = { id: 'price_2', lookup_key: 'tallyman_seats', recurring: { meter: 'mtr_2' } };
  const stepsWith = (more: object) => stepsOf(found({ ...complete, customers: [{ prices: [sibling], ...more }] }));
  expect(stepsWith({})).toEqual(['~ subscription sub_1 of first@example.com: api as well']);
  expect(stepsWith({ currency: 'eur' })).toEqual([expect.stringContaining('+ subscription')]);
  expect(stepsWith({ prices: [{ ...sibling, lookup_key: 'somebody_elses' }] })).toEqual([
    expect.stringContaining('+ subscription'),
  ]);
});

it('does not guess which of several customers is meant', () => {
  const plan = planOf(wanted, found({ ...complete, customers: [{ id: 'cus_1' }, { id: 'cus_2' }] }));
  expect(plan.faults).toEqual([expect.stringContaining('cus_1, cus_2')]);
});

it('does not make a customer whose id is given', () => {
  const named = parseFile('meters: [{ event_name: api }]\ncustomers: [{ id: cus_7 }]');
  expect(planOf(named, found({ meters: [meter] })).faults).toEqual([expect.stringContaining('no customer cus_7')]);
});
