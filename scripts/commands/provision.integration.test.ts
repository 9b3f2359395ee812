/** `tallyman provision` as a newcomer runs it, against the simulator. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Stripe from 'stripe';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { plainEnvironment } from '../../shared/testing/child.ts';
import { type Nursery, openNursery } from '../../shared/testing/nursery.ts';
import { startService } from '../lab/cluster/service.ts';

const script = new URL('./tallyman.ts', import.meta.url).pathname;
let nursery: Nursery;
let stripe: Stripe;
let url: string;

beforeAll(async () => {
  nursery = await openNursery();
  const simulator = await startService(nursery, 'stripe-simulator', {
    name: 'simulator',
    env: { TALLYMAN_SIM_LATENCY: 'fixed:1' },
  });
  ({ url } = simulator);
  const { hostname, port } = new URL(url);
  stripe = new Stripe('sk_test_1', { host: hostname, port: Number(port), protocol: 'http', telemetry: false });
});
afterAll(() => nursery.close());

let runs = 0;
async function run(yaml: string, args: readonly string[], key = 'sk_test_1') {
  const file = join(nursery.folder, 'meters.yaml');
  await writeFile(file, yaml);
  const env = { ...plainEnvironment(), STRIPE_API_KEY: key, STRIPE_API_BASE: url };
  const child = await nursery.spawn(
    `provision-${++runs}`,
    process.execPath,
    [script, 'provision', '--file', file, ...args],
    {
      env,
    },
  );
  const { code } = await child.exited;
  return { code, words: await child.lastLines(40) };
}

const first = `
currency: eur
meters:
  - event_name: api_calls
    display_name: API calls
    price: { unit_amount_decimal: 0.25 }
customers:
  - email: first@example.com
`;

it('makes what is missing, once, and changes what can be changed', async () => {
  expect(await run(first, ['--dry-run'])).toMatchObject({
    code: 0,
    words: expect.stringContaining('+ meter api_calls'),
  });
  expect(await run(first, [])).toMatchObject({ code: 1, words: expect.stringContaining('To do it: --yes') });
  expect((await stripe.billing.meters.list()).data).toEqual([]);

  const made = await run(first, ['--yes']);
  expect(made).toMatchObject({ code: 0, words: expect.stringMatching(/A first event[^]*"customer":"cus_/) });
  const again = await run(first, ['--yes']);
  expect(again).toMatchObject({ code: 0, words: expect.stringContaining('Everything is as the file says.') });

  const [customer, ...others] = (await stripe.customers.list({ email: 'first@example.com' })).data;
  expect(others).toEqual([]);
  const subscriptions = await stripe.subscriptions.list({ customer: customer?.id ?? '' });
  expect(subscriptions.data.map(({ items }) => items.data.length)).toEqual([1]);
  const [meter] = (await stripe.billing.meters.list()).data;
  const [price] = (await stripe.prices.list({ lookup_keys: ['tallyman_api_calls'] })).data;
  expect(price?.recurring).toMatchObject({ meter: meter?.id, usage_type: 'metered', interval: 'month' });
  expect(String(price?.unit_amount_decimal)).toBe('0.25');

  await stripe.billing.meters.deactivate(meter?.id ?? '');
  const more = first
    .replace('0.25', '0.3')
    .replace(
      'customers:',
      '  - event_name: seats\n    formula: last\n    price: { unit_amount_decimal: 900 }\ncustomers:',
    );
  const changed = await run(more, ['--yes']);
  expect(changed.code).toBe(0);
  expect((await stripe.billing.meters.list({ status: 'active' })).data).toHaveLength(2);
  const [newPrice] = (await stripe.prices.list({ lookup_keys: ['tallyman_api_calls'] })).data;
  expect([String(newPrice?.unit_amount_decimal), (await stripe.prices.retrieve(price?.id ?? '')).active]).toEqual([
    '0.3',
    false,
  ]);
  const [subscription] = (await stripe.subscriptions.list({ customer: customer?.id ?? '' })).data;
  expect(subscription?.items.data.map((item) => item.price.id)).toEqual([price?.id, expect.any(String)]);
  expect(await run(more, ['--yes'])).toMatchObject({
    words: expect.stringContaining('Everything is as the file says.'),
  });
});

it('changes nothing with a wrong file, a meter that counts otherwise, or a live key that is not meant', async () => {
  expect(await run('meters: [{ event_name: x, formula: avg }]', ['--yes'])).toMatchObject({
    code: 78,
    words: expect.stringContaining('line 1: meters[0].formula'),
  });
  await run('meters: [{ event_name: counted, formula: count }]', ['--yes']);
  expect(await run('meters: [{ event_name: counted }]', ['--yes'])).toMatchObject({
    code: 1,
    words: expect.stringContaining('formula count instead of sum'),
  });
  expect(await run('meters: [{ event_name: other }]', ['--yes'], 'sk_live_1')).toMatchObject({
    code: 1,
    words: expect.stringContaining('Say --live'),
  });
  expect((await stripe.billing.meters.list({ limit: 100 })).data.map((meter) => meter.event_name)).not.toContain(
    'other',
  );
});
