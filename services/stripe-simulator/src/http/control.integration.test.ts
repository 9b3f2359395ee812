import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { until } from '../../../../shared/testing/until.ts';
import { parseConfig } from '../config.ts';
import { SimulatorService } from '../service.ts';

const env = {
  TALLYMAN_PORT: '0',
  TALLYMAN_DRAIN_MS: '0',
  TALLYMAN_SIM_LATENCY: 'fixed:0',
  TALLYMAN_SIM_METERS: 'api:sum,logins:count',
  TALLYMAN_SIM_RATE_PER_S: '100000',
  TALLYMAN_SIM_FAULTS: 'slow:0',
};
const service = new SimulatorService(parseConfig(env), {
  log: createLog({ service: 'test', level: 'silent' }),
  lifecycle: { state: 'running' },
});

beforeAll(() => service.start());
afterAll(() => service.stop());
beforeEach(async () => {
  await ask('POST', '/_sim/reset');
});

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

async function ask(method: string, path: string, body?: unknown): Promise<Reply> {
  const response = await fetch(`http://127.0.0.1:${service.port}${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

async function send(fields: Record<string, string>): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${service.port}/v1/billing/meter_events`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_1' },
    body: new URLSearchParams(fields),
  });
  await response.text();
  return response.status;
}

const event = (customer: string, identifier: string): Record<string, string> => ({
  event_name: 'api',
  identifier,
  'payload[stripe_customer_id]': customer,
  'payload[value]': '0.1',
});

it('shows the ledger whole, for one customer, and without totals', async () => {
  for (const [customer, identifier] of [
    ['cus_1', 'a'],
    ['cus_1', 'b'],
    ['cus_2', 'c'],
    ['cus_2', 'c'],
  ] as const) {
    await send(event(customer, identifier));
  }
  const one = { customer: 'cus_1', event_name: 'api', value: '0.2', events: 2 };
  const two = { customer: 'cus_2', event_name: 'api', value: '0.1', events: 1 };
  const whole = await ask('GET', '/_sim/ledger');
  expect(whole.body).toMatchObject({ events: 3, duplicates: 1, throttled: 0, totals: [one, two], peakPerSecond: 4 });
  expect((await ask('GET', '/_sim/ledger?customer=cus_2')).body).toMatchObject({ events: 3, totals: [two] });
  expect((await ask('GET', '/_sim/ledger?totals=false')).body).toMatchObject({ events: 3, totals: [] });
});

it('shows more totals than fit into one write, each of them once', async () => {
  const customers = Array.from({ length: 3_500 }, (_, index) => `cus_${index}`);
  for (let first = 0; first < customers.length; first += 100) {
    await Promise.all(customers.slice(first, first + 100).map((customer) => send(event(customer, customer))));
  }
  const { body } = await ask('GET', '/_sim/ledger');
  const { totals, complete } = body as { totals: { customer: string }[]; complete: boolean };
  expect(complete).toBe(true);
  expect(totals.map(({ customer }) => customer).sort()).toEqual(customers.toSorted());
});

it('shows the newest events, filtered and bounded', async () => {
  await send(event('cus_1', 'a'));
  await send(event('cus_2', 'b'));
  expect((await ask('GET', '/_sim/events')).body).toMatchObject({ events: [{ identifier: 'b' }, { identifier: 'a' }] });
  expect((await ask('GET', '/_sim/events?customer=cus_1')).body).toMatchObject({
    events: [{ identifier: 'a', value: '0.1' }],
  });
  expect((await ask('GET', '/_sim/events?event_name=logins')).body).toEqual({ events: [] });
  expect((await ask('GET', '/_sim/events?limit=0')).status).toBe(400);
});

it('switches faults on and off; one with a duration ends by itself', async () => {
  const lasting = { kind: 'slow', rate: 0, delayMs: 10_000 };
  expect((await ask('GET', '/_sim/faults')).body).toEqual({ faults: [lasting] });
  await ask('POST', '/_sim/faults', [
    { kind: 'error', durationMs: 200 },
    { kind: 'reset', rate: 0, customer: 'cus_9' },
  ]);
  expect(await send(event('cus_1', 'a'))).toBe(500);
  await until(async () => expect(await send(event('cus_1', 'b'))).toBe(200));
  expect((await ask('DELETE', '/_sim/faults?kind=slow')).body).toMatchObject({
    faults: [{ kind: 'reset', customer: 'cus_9' }],
  });
  expect((await ask('DELETE', '/_sim/faults')).body).toEqual({ faults: [] });
});

it('changes limits and latency', async () => {
  const before = { ratePerS: 100_000, basicRatePerS: 100, latency: 'fixed:0' };
  expect((await ask('GET', '/_sim/limits')).body).toEqual(before);
  const changed = await ask('POST', '/_sim/limits', { ratePerS: 0, latency: 'uniform:1:2' });
  expect(changed.body).toEqual({ ...before, ratePerS: 0, latency: 'uniform:1:2' });
  expect(await send(event('cus_1', 'a'))).toBe(429);
});

it('begins anew at a reset, with what was configured', async () => {
  await send(event('cus_1', 'a'));
  await ask('POST', '/_sim/world', { unknownCustomers: ['cus_1'] });
  await ask('POST', '/_sim/limits', { ratePerS: 1 });
  await ask('POST', '/_sim/reset');
  expect((await ask('GET', '/_sim/world')).body).toMatchObject({ unknownCustomers: [] });
  expect((await ask('GET', '/_sim/ledger')).body).toMatchObject({ events: 0, totals: [], calls: 0 });
  expect(await send(event('cus_1', 'a'))).toBe(200);
});

it.each([
  ['/_sim/faults', { kind: 'nonsense' }, 'kind'],
  ['/_sim/faults', { kind: 'error', rate: 2 }, 'rate'],
  ['/_sim/faults', { kind: 'error', duration: 5 }, 'duration'],
  ['/_sim/faults', 'not json', 'expected'],
  ['/_sim/limits', { latency: 'often' }, 'lognormal:P50:P99'],
  ['/_sim/world', { unknownCustomers: 'cus_1' }, 'unknownCustomers'],
])('refuses %s %j and names what is wrong', async (path, body, word) => {
  const reply = await ask('POST', path, body);
  expect(reply.status).toBe(400);
  expect(reply.body).toMatchObject({ error: { code: 'bad_body', message: expect.stringContaining(word) } });
});

it('answers 404 and 405 for pages that are not there', async () => {
  expect((await ask('GET', '/_sim/nothing')).status).toBe(404);
  expect((await ask('POST', '/_sim/ledger')).status).toBe(405);
});

it('reports what it did as metrics', async () => {
  await send(event('cus_1', 'a'));
  await send(event('cus_1', 'a'));
  const metrics = await (await fetch(`http://127.0.0.1:${service.port}/metrics`)).text();
  expect(metrics).toContain('tallyman_simulator_events_total{service="stripe-simulator"} 1');
  expect(metrics).toContain('tallyman_simulator_answers_total{status="400",service="stripe-simulator"} 1');
});
