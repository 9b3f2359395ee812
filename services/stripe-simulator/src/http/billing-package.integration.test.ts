import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { parseConfig } from '../config.ts';
import { SimulatorService } from '../service.ts';

/** What provisioning needs, through the unmodified `stripe` package. */
const service = new SimulatorService(
  parseConfig({ TALLYMAN_PORT: '0', TALLYMAN_SIM_LATENCY: 'fixed:0', TALLYMAN_SIM_SUMMARY_LAG_MS: '0' }),
  { log: createLog({ service: 'test', level: 'silent' }), lifecycle: { state: 'running' } },
);
let stripe: Stripe;

beforeAll(async () => {
  await service.start();
  stripe = new Stripe('sk_test_1', { host: '127.0.0.1', port: service.port, protocol: 'http', telemetry: false });
});
afterAll(() => service.stop());
beforeEach(async () => {
  await fetch(`http://127.0.0.1:${service.port}/_sim/reset`, { method: 'POST' });
});

const newMeter = (eventName = 'api'): Promise<Stripe.Billing.Meter> =>
  stripe.billing.meters.create({
    display_name: eventName,
    event_name: eventName,
    default_aggregation: { formula: 'sum' },
  });

async function newPrice(said: Partial<Stripe.PriceCreateParams> = {}): Promise<Stripe.Price> {
  const meter = await newMeter(`meter-${Math.random()}`);
  const product = await stripe.products.create({ name: 'API' });
  return stripe.prices.create({
    currency: 'eur',
    product: product.id,
    unit_amount_decimal: Stripe.Decimal.from('0.0125'),
    recurring: { interval: 'month', usage_type: 'metered', meter: meter.id },
    ...said,
  });
}

describe('products', () => {
  it('take an id of one’s own, once', async () => {
    const product = await stripe.products.create({ id: 'api', name: 'API', metadata: { of: 'tests' } });
    expect(await stripe.products.retrieve('api')).toMatchObject({ ...product, name: 'API', metadata: { of: 'tests' } });
    await expect(stripe.products.create({ id: 'api', name: 'again' })).rejects.toMatchObject({
      code: 'resource_already_exists',
    });
    expect(await stripe.products.update('api', { name: 'New', active: false })).toMatchObject({ name: 'New' });
    expect((await stripe.products.list({ active: true })).data).toEqual([]);
  });

  it('are not there before they are made', async () => {
    await expect(stripe.products.retrieve('none')).rejects.toMatchObject({ statusCode: 404, code: 'resource_missing' });
  });
});

describe('prices', () => {
  it('keep their decimals exactly', async () => {
    const price = await newPrice({ unit_amount_decimal: Stripe.Decimal.from('0.000000000001') });
    expect(String((await stripe.prices.retrieve(price.id)).unit_amount_decimal)).toBe('0.000000000001');
    expect(price).toMatchObject({ unit_amount: null, type: 'recurring', recurring: { usage_type: 'metered' } });
  });

  it('are found by a key that belongs to one of them, and can be taken over', async () => {
    const first = await newPrice({ lookup_key: 'api_monthly' });
    await expect(newPrice({ lookup_key: 'api_monthly' })).rejects.toThrow('already uses that lookup key');
    const second = await newPrice({ lookup_key: 'api_monthly', transfer_lookup_key: true });
    const found = await stripe.prices.list({ lookup_keys: ['api_monthly'] });
    expect(found.data.map(({ id }) => id)).toEqual([second.id]);
    expect(await stripe.prices.update(first.id, { active: false })).toMatchObject({ active: false, lookup_key: null });
  });

  it('need a product and an active meter', async () => {
    const meter = await newMeter();
    const product = await stripe.products.create({ name: 'API' });
    const params = { currency: 'eur', product: product.id, unit_amount: 1 };
    const recurring = { interval: 'month', usage_type: 'metered', meter: meter.id } as const;
    await expect(stripe.prices.create({ ...params, product: 'none', recurring })).rejects.toThrow('No such product');
    await expect(stripe.prices.create({ ...params, recurring: { ...recurring, meter: 'none' } })).rejects.toThrow(
      'No such meter',
    );
    await expect(
      stripe.prices.create({ ...params, recurring: { interval: 'month', usage_type: 'metered' } }),
    ).rejects.toThrow('Metered prices have a meter');
    await stripe.billing.meters.deactivate(meter.id);
    await expect(stripe.prices.create({ ...params, recurring })).rejects.toThrow('is inactive');
    await stripe.billing.meters.reactivate(meter.id);
    expect(await stripe.prices.create({ ...params, recurring })).toMatchObject({ unit_amount: 1 });
  });
});

describe('customers and subscriptions', () => {
  it('are found by email, and by customer', async () => {
    const customer = await stripe.customers.create({ email: 'a@example.com', name: 'A' });
    await stripe.customers.create({ email: 'b@example.com' });
    expect((await stripe.customers.list({ email: 'a@example.com' })).data).toMatchObject([
      { id: customer.id, name: 'A' },
    ]);
    const price = await newPrice();
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      collection_method: 'send_invoice',
      days_until_due: 30,
    });
    expect(subscription).toMatchObject({ status: 'active', customer: customer.id, currency: 'eur' });
    expect(subscription.items.data).toMatchObject([{ price: { id: price.id } }]);
    const second = await newPrice();
    await stripe.subscriptionItems.create({ subscription: subscription.id, price: second.id });
    const [listed] = (await stripe.subscriptions.list({ customer: customer.id })).data;
    expect(listed?.items.data.map((item) => item.price.id)).toEqual([price.id, second.id]);
    await stripe.subscriptions.cancel(subscription.id);
    expect((await stripe.subscriptions.list({ customer: customer.id })).data).toEqual([]);
    expect((await stripe.subscriptions.list({ customer: customer.id, status: 'all' })).data).toHaveLength(1);
  });

  it('are refused without a customer, with a quantity of a metered price, or with a price twice', async () => {
    const price = await newPrice();
    const customer = await stripe.customers.create({});
    const items = [{ price: price.id }];
    await expect(stripe.subscriptions.create({ customer: 'cus_none', items })).rejects.toThrow('No such customer');
    const create = (wrong: Stripe.SubscriptionCreateParams.Item[]) =>
      stripe.subscriptions.create({ customer: customer.id, items: wrong });
    await expect(create([{ price: price.id, quantity: 2 }])).rejects.toThrow('has no quantity');
    await expect(create([...items, ...items])).rejects.toThrow('already');
    await expect(create([])).rejects.toThrow('items');
  });
});

describe('meters', () => {
  it('can be given another display name, and nothing else', async () => {
    const meter = await newMeter();
    expect(await stripe.billing.meters.update(meter.id, { display_name: 'Calls' })).toMatchObject({
      display_name: 'Calls',
    });
  });

  it('are added up per customer, and events can be taken back', async () => {
    const meter = await newMeter();
    const now = Math.floor(Date.now() / 60_000) * 60;
    for (const [identifier, value] of [
      ['one', '1'],
      ['two', '2.5'],
    ] as const) {
      const payload = { stripe_customer_id: 'cus_1', value };
      await stripe.billing.meterEvents.create({ event_name: 'api', identifier, payload });
    }
    const asked = { customer: 'cus_1', start_time: now - 3_600, end_time: now + 3_600 };
    const sum = async () => (await stripe.billing.meters.listEventSummaries(meter.id, asked)).data[0]?.aggregated_value;
    expect(await sum()).toBe(3.5);
    const adjustment = { event_name: 'api', type: 'cancel', cancel: { identifier: 'two' } } as const;
    expect(await stripe.billing.meterEventAdjustments.create(adjustment)).toMatchObject(adjustment);
    expect(await sum()).toBe(1);
  });
});

it('lists page by page, the newest first', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await stripe.customers.create({ name });
  const seen: (string | null | undefined)[] = [];
  for await (const customer of stripe.customers.list({ limit: 2 })) seen.push(customer.name);
  expect(seen).toEqual(names.toReversed());
});
