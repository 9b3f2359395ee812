import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { until } from '../../../../shared/testing/until.ts';
import { parseConfig } from '../config.ts';
import { SimulatorService } from '../service.ts';

/** The unmodified `stripe` package against the simulator, over HTTP. */
const env = {
  TALLYMAN_PORT: '0',
  TALLYMAN_DRAIN_MS: '0',
  TALLYMAN_SIM_LATENCY: 'fixed:0',
  TALLYMAN_SIM_METERS: 'api:sum',
};
const service = new SimulatorService(parseConfig(env), {
  log: createLog({ service: 'test', level: 'silent' }),
  lifecycle: { state: 'running' },
});

beforeAll(() => service.start());
afterAll(() => service.stop());
beforeEach(() => control('POST', 'reset'));

function clientOf(options: { apiKey?: string; timeout?: number } = {}): Stripe {
  const { apiKey = 'sk_test_1', timeout = 5_000 } = options;
  return new Stripe(apiKey, {
    host: '127.0.0.1',
    port: service.port,
    protocol: 'http',
    telemetry: false,
    maxNetworkRetries: 0,
    timeout,
  });
}

const stripe = (): Stripe => clientOf();

async function control(method: string, page: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${service.port}/_sim/${page}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return response.json();
}

const meet = (kind: string, more: object = {}): Promise<unknown> => control('POST', 'faults', { kind, ...more });
const ledger = (): Promise<unknown> => control('GET', 'ledger');

const event = (identifier: string, customer = 'cus_1'): Stripe.Billing.MeterEventCreateParams => ({
  event_name: 'api',
  identifier,
  payload: { stripe_customer_id: customer, value: '1.5', region: 'eu & us' },
});

const send = (
  identifier: string,
  options?: Stripe.RequestOptions,
): Promise<Stripe.Response<Stripe.Billing.MeterEvent>> =>
  stripe().billing.meterEvents.create(event(identifier), options);

async function failure(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Stripe.errors.StripeError);
  return error as Stripe.errors.StripeError;
}

describe('the stripe package', () => {
  it('sends a meter event, and it is in the ledger', async () => {
    const answer = await send('a');
    expect(answer).toMatchObject({
      object: 'billing.meter_event',
      identifier: 'a',
      payload: { stripe_customer_id: 'cus_1', value: '1.5', region: 'eu & us' },
    });
    expect(answer.lastResponse).toMatchObject({ statusCode: 200, requestId: expect.stringMatching(/^req_/) });
    expect(await ledger()).toMatchObject({
      events: 1,
      duplicates: 0,
      throttled: 0,
      totals: [{ customer: 'cus_1', event_name: 'api', value: '1.5', events: 1 }],
      complete: true,
    });
  });

  it('creates, retrieves, lists and archives meters', async () => {
    const { billing } = stripe();
    for (let index = 0; index < 25; index++) {
      await billing.meters.create({
        display_name: `Meter ${index}`,
        event_name: `meter-${index}`,
        default_aggregation: { formula: 'last' },
        customer_mapping: { type: 'by_id', event_payload_key: 'who' },
        value_settings: { event_payload_key: 'much' },
      });
    }
    const names: string[] = [];
    for await (const meter of billing.meters.list({ limit: 10 })) names.push(meter.event_name);
    expect(names).toHaveLength(26);
    expect(names[0]).toBe('meter-24');

    const [meter] = (await billing.meters.list({ limit: 1 })).data;
    const id = meter?.id ?? expect.unreachable();
    expect(await billing.meters.retrieve(id)).toMatchObject({
      customer_mapping: { event_payload_key: 'who' },
      value_settings: { event_payload_key: 'much' },
      default_aggregation: { formula: 'last' },
    });
    await billing.meters.deactivate(id);
    expect((await billing.meters.list({ status: 'inactive' })).data.map((one) => one.id)).toEqual([id]);
    expect((await billing.meters.reactivate(id)).status).toBe('active');
    expect(await failure(billing.meters.retrieve('mtr_none'))).toMatchObject({
      type: 'StripeInvalidRequestError',
      statusCode: 404,
      code: 'resource_missing',
    });
  });

  it('tells a duplicate identifier by its message alone', async () => {
    await send('a');
    const error = await failure(send('a'));
    expect(error).toMatchObject({
      type: 'StripeInvalidRequestError',
      statusCode: 400,
      rawType: 'invalid_request_error',
    });
    expect(error.code).toBeUndefined();
    expect(error.message).toBe('An event already exists with identifier a.');
    expect(error.headers?.['stripe-should-retry']).toBe('false');
  });

  it('throws a rate limit error with the reason in a header for 429', async () => {
    await control('POST', 'limits', { ratePerS: 1 });
    await send('a');
    const error = await failure(send('b'));
    expect(error).toMatchObject({ type: 'StripeRateLimitError', statusCode: 429 });
    expect(error.headers?.['stripe-rate-limited-reason']).toBe('endpoint-rate');
    expect(await ledger()).toMatchObject({ events: 1, throttled: 1 });
  });

  it('throws a rate limit error with the code alone for a lock', async () => {
    await meet('lock-timeout');
    const error = await failure(send('a'));
    expect(error).toMatchObject({ type: 'StripeRateLimitError', code: 'lock_timeout' });
    expect(error.headers).not.toHaveProperty('stripe-rate-limited-reason');
  });

  it('throws an API error for 409, when a customer and meter is busy', async () => {
    await control('POST', 'limits', { latency: 'fixed:300' });
    const both = await Promise.allSettled([send('a'), send('b')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const rejected = both.find((one) => one.status === 'rejected');
    expect(rejected?.reason).toMatchObject({ type: 'StripeAPIError', statusCode: 409 });
    expect(await ledger()).toMatchObject({ events: 1, conflicts: 1, concurrencyViolations: 1 });
  });

  it('throws authentication and permission errors for revoked keys and accounts', async () => {
    await control('POST', 'world', { revokedKeys: ['sk_test_old'], revokedAccounts: ['acct_old'] });
    const old = clientOf({ apiKey: 'sk_test_old' }).billing.meterEvents;
    expect(await failure(old.create(event('a')))).toMatchObject({ type: 'StripeAuthenticationError', statusCode: 401 });
    const denied = await failure(send('a', { stripeAccount: 'acct_old' }));
    expect(denied).toMatchObject({ type: 'StripePermissionError', statusCode: 403 });
    expect(await ledger()).toMatchObject({ events: 0 });
  });

  it('throws invalid request errors for what Stripe refuses', async () => {
    await control('POST', 'world', { unknownCustomers: ['cus_9'] });
    const unknown = await failure(stripe().billing.meterEvents.create(event('a', 'cus_9')));
    expect(unknown).toMatchObject({ type: 'StripeInvalidRequestError', code: 'meter_event_customer_not_found' });
    await control('POST', 'world', { archivedMeters: ['api'] });
    expect(await failure(send('a'))).toMatchObject({ code: 'archived_meter' });
  });

  it('throws an API error for 500, whether or not the event counted', async () => {
    await meet('error');
    expect(await failure(send('a'))).toMatchObject({ type: 'StripeAPIError', statusCode: 500 });
    expect(await ledger()).toMatchObject({ events: 0 });
    await control('DELETE', 'faults');
    await meet('error-after');
    expect(await failure(send('b'))).toMatchObject({ type: 'StripeAPIError', statusCode: 500 });
    expect(await ledger()).toMatchObject({ events: 1 });
  });

  it('is given a saved 500 again under its idempotency key, and not under another', async () => {
    await meet('error');
    await failure(send('a', { idempotencyKey: 'k' }));
    await control('DELETE', 'faults');
    const replayed = await failure(send('a', { idempotencyKey: 'k' }));
    expect(replayed).toMatchObject({ statusCode: 500 });
    expect(replayed.headers).toMatchObject({ 'idempotent-replayed': 'true', 'idempotency-key': 'k' });
    expect((await send('a', { idempotencyKey: 'other' })).object).toBe('billing.meter_event');
    const mismatch = await failure(send('b', { idempotencyKey: 'other' }));
    expect(mismatch).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  });

  it('takes the answer of a proxy for a success', async () => {
    await meet('proxy');
    const answer = await send('a');
    expect(answer.lastResponse.statusCode).toBe(502);
    expect(answer.object).not.toBe('billing.meter_event');
  });

  it('throws a connection error at a timeout, though the event counted', async () => {
    await meet('timeout');
    const error = await failure(clientOf({ timeout: 200 }).billing.meterEvents.create(event('a')));
    expect(error).toMatchObject({ type: 'StripeConnectionError' });
    expect(error.statusCode).toBeUndefined();
    expect(await ledger()).toMatchObject({ events: 1 });
    await control('DELETE', 'faults');
    // The client has hung up: its retry is no second call at once.
    await until(async () => expect(await failure(send('a'))).toMatchObject({ message: /already exists/ }));
    expect(await ledger()).toMatchObject({ events: 1, duplicates: 1, concurrencyViolations: 0 });
  });

  it('resends once by itself after a reset, past every limiter', async () => {
    await meet('reset', { rate: 1 });
    expect(await failure(send('a'))).toMatchObject({ type: 'StripeConnectionError' });
    expect(await ledger()).toMatchObject({ events: 0, calls: 2 });
    await control('DELETE', 'faults');
    await meet('reset-after');
    await failure(send('b'));
    expect(await ledger()).toMatchObject({ events: 1, calls: 4 });
  });

  it('waits for a slow answer', async () => {
    await meet('slow', { delayMs: 400 });
    const startedAt = performance.now();
    await send('a');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(390);
  });
});
