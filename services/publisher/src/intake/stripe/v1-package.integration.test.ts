/** The official `stripe` package, unmodified, pointed at the sidecar instead of Stripe: its first version. */
import type { Stripe } from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIntake, type TestIntake, type TestIntakeOptions } from '../testing.ts';
import { clientAt, failureOf as failure, meterEvent as event } from './testing.ts';

let intake: TestIntake;
const stops: (() => Promise<void>)[] = [];

async function start(options: TestIntakeOptions = {}): Promise<TestIntake> {
  const started = await startIntake(options);
  stops.push(() => started.stop());
  return started;
}

beforeEach(async () => {
  intake = await start();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const clientOf = (apiKey?: string, at: TestIntake = intake, more?: Stripe.StripeConfig): Stripe =>
  clientAt(at, apiKey, more);

const rest = (body: string, headers: Record<string, string> = {}, at: TestIntake = intake) =>
  fetch(`${at.url}/v1/billing/meter_events`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });

describe('billing.meterEvents.create', () => {
  it('is answered like by Stripe, once the event is durable', async () => {
    const timestamp = Math.floor(Date.now() / 1000) - 60;
    const created = await clientOf().billing.meterEvents.create({ ...event('e1', { region: 'eu & us' }), timestamp });
    expect(created).toMatchObject({
      object: 'billing.meter_event',
      event_name: 'api_requests',
      identifier: 'e1',
      livemode: false,
      payload: { stripe_customer_id: 'cus_1', value: '25', region: 'eu & us' },
      timestamp,
    });
    expect(Math.abs(created.created - Date.now() / 1000)).toBeLessThan(5);
    expect(created.lastResponse).toMatchObject({ statusCode: 200, requestId: expect.stringMatching(/^req_\w+$/) });
    expect(intake.outbox.events).toEqual([
      { id: 'e1', customer: 'cus_1', meter: 'api_requests', value: '25', timestamp, dimensions: { region: 'eu & us' } },
    ]);
  });

  it('tells a live key, and passes the connected account on', async () => {
    const created = await clientOf('rk_live_1').billing.meterEvents.create(event('e1'), { stripeAccount: 'acct_7' });
    expect(created.livemode).toBe(true);
    expect(created.lastResponse.stripeAccount).toBe('acct_7');
    expect(intake.outbox.events).toMatchObject([{ account: 'acct_7' }]);
    await clientOf('sk_test_1', intake, { stripeContext: 'acct_8' }).billing.meterEvents.create(event('e2'));
    expect(intake.outbox.events[1]).toMatchObject({ account: 'acct_8' });
  });

  it('takes the payload keys of the configuration', async () => {
    const other = await start({ payloadKeys: { customer: 'who', value: 'much' } });
    const payload = { who: 'cus_9', much: '-1.5', value: 'x' };
    await clientOf('sk_test_1', other).billing.meterEvents.create({ event_name: 'm', payload });
    expect(other.outbox.events).toMatchObject([{ customer: 'cus_9', value: '-1.5', dimensions: { value: 'x' } }]);
  });

  it('refuses a second event with an identifier that is durable, as Stripe does', async () => {
    await clientOf().billing.meterEvents.create(event('e1'));
    const error = await failure(clientOf().billing.meterEvents.create(event('e1')));
    expect(error).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 400, code: undefined });
    expect(error.message).toBe('An event already exists with identifier e1.');
    expect(error.headers?.['stripe-should-retry']).toBe('false');
    for (let attempt = 0; attempt < 2; attempt++) {
      const options = { idempotencyKey: 'of the second' };
      const again = await failure(clientOf().billing.meterEvents.create(event('e1'), options));
      expect(again.message).toBe('An event already exists with identifier e1.');
    }
    expect(intake.outbox.events).toHaveLength(1);
  });

  it('answers the repetition of a request like the first time, and counts it once', async () => {
    const options = { idempotencyKey: 'key-1' };
    const first = await clientOf().billing.meterEvents.create(event('e1'), options);
    const again = await clientOf().billing.meterEvents.create(event('e1'), options);
    expect(again).toEqual(first);
    expect(again.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true', 'idempotency-key': 'key-1' });
    expect(intake.outbox.events).toHaveLength(1);
    const other = await failure(clientOf().billing.meterEvents.create(event('e2'), options));
    expect(other).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  });

  it('gives an event without identifier one that its idempotency key decides, so that a repetition counts once', async () => {
    const options = { idempotencyKey: 'key-1' };
    const first = await clientOf().billing.meterEvents.create(event(), options);
    const again = await clientOf().billing.meterEvents.create(event(), options);
    expect(again.identifier).toBe(first.identifier);
    expect(intake.outbox.events).toHaveLength(1);
    // Also at another sidecar, or after a restart.
    const elsewhere = await start();
    expect((await clientOf('sk', elsewhere).billing.meterEvents.create(event(), options)).identifier).toBe(
      first.identifier,
    );
    expect((await clientOf().billing.meterEvents.create(event())).identifier).not.toBe(first.identifier);
  });

  it('succeeds by the retries of the package while the sidecar turns requests away, and counts once', async () => {
    intake.outbox.outcome = 'expired';
    const created = clientOf().billing.meterEvents.create(event('e1'));
    await expect.poll(() => intake.outbox.submitted.length).toBe(1);
    intake.outbox.outcome = 'durable';
    expect((await created).identifier).toBe('e1');
    expect(intake.outbox.submitted).toHaveLength(2);
    const refused = await failure(clientOf().billing.meterEvents.create(event('e1')));
    expect(refused.message).toContain('already exists');
  });

  it('answers 503 in the form of an API error that may be repeated', async () => {
    intake.outbox.turnsAway = 'broker_unavailable';
    const client = clientOf('sk_test_1', intake, { maxNetworkRetries: 0 });
    const error = await failure(client.billing.meterEvents.create(event('e1')));
    expect(error).toMatchObject({
      type: 'StripeAPIError',
      statusCode: 503,
      code: 'broker_unavailable',
      rawType: 'api_error',
    });
    expect(error.headers).toMatchObject({ 'retry-after': '2', 'stripe-should-retry': 'true' });
  });

  it('answers a repetition that overtakes its original after it, like it', async () => {
    intake.outbox.outcome = undefined;
    const client = clientOf();
    const options = { idempotencyKey: 'key-1' };
    const both = [client.billing.meterEvents.create(event('e1'), options)];
    await expect.poll(() => intake.outbox.submitted.length).toBe(1);
    both.push(client.billing.meterEvents.create(event('e1'), options));
    const deadline = Date.now() + 5_000;
    const settling = setInterval(() => Date.now() < deadline && intake.outbox.settle('durable'), 100);
    const [first, second] = await Promise.all(both);
    clearInterval(settling);
    expect(second).toEqual(first);
    expect(intake.outbox.submitted).toHaveLength(1);
  });

  const long = (length: number): string => 'x'.repeat(length);
  it.each<[string, string | undefined, string, Stripe.Billing.MeterEventCreateParams]>([
    [
      'no customer',
      'meter_event_no_customer_defined',
      'payload[stripe_customer_id]',
      { event_name: 'm', payload: { value: '1' } },
    ],
    [
      'no value',
      'meter_event_invalid_value',
      'payload[value]',
      { event_name: 'm', payload: { stripe_customer_id: 'c' } },
    ],
    ['a value that is no number', 'meter_event_invalid_value', 'payload[value]', event('a', { value: 'ten' })],
    ['a value with an exponent', 'meter_event_invalid_value', 'payload[value]', event('a', { value: '1e3' })],
    ['16 digits', 'meter_event_value_too_many_digits', 'payload[value]', event('a', { value: '1234567890.123456' })],
    [
      'an old timestamp',
      'timestamp_too_far_in_past',
      'timestamp',
      { ...event('a'), timestamp: Math.floor(Date.now() / 1000) - 36 * 86_400 },
    ],
    [
      'a timestamp ahead',
      'timestamp_in_future',
      'timestamp',
      { ...event('a'), timestamp: Math.floor(Date.now() / 1000) + 400 },
    ],
    ['milliseconds', 'parameter_invalid_integer', 'timestamp', { ...event('a'), timestamp: Date.now() }],
    ['half a second', 'parameter_invalid_integer', 'timestamp', { ...event('a'), timestamp: 1_795_426_200.5 }],
    ['a long identifier', 'parameter_invalid_string', 'identifier', event(long(101))],
    ['a long meter', 'parameter_invalid_string', 'event_name', { ...event('a'), event_name: long(101) }],
    [
      'a control character',
      'parameter_invalid_string',
      'payload[stripe_customer_id]',
      event('a', { stripe_customer_id: 'c\n' }),
    ],
    [
      'too many dimensions',
      'meter_event_dimension_count_too_high',
      'payload',
      event('a', Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`d${index}`, 'x']))),
    ],
  ])('refuses %s as %s of %s', async (_, code, param, params) => {
    const error = await failure(clientOf().billing.meterEvents.create(params));
    expect(error).toMatchObject({
      type: 'StripeInvalidRequestError',
      rawType: 'invalid_request_error',
      statusCode: 400,
      code,
      param,
      requestId: expect.stringMatching(/^req_/),
    });
    expect(error.message).not.toBe('');
    expect(intake.outbox.submitted).toEqual([]);
  });

  it.each([
    ['event_name=m', 'parameter_missing', 'payload'],
    ['payload[value]=1', 'parameter_missing', 'event_name'],
    ['event_name=m&payload=1', 'parameter_unknown', undefined],
    ['event_name=m&payload[value]=1&colour=red', 'parameter_unknown', undefined],
    ['', 'parameter_missing', 'event_name'],
  ])('refuses the form %j as %s', async (form, code, param) => {
    const response = await rest(form);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { type: 'invalid_request_error', code, ...(param === undefined ? {} : { param }) } },
    ]);
  });

  it('refuses JSON at v1', async () => {
    const response = await rest('{}', { 'content-type': 'application/json' });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { type: 'invalid_request_error' } }]);
  });

  it('refuses a meter that is not in TALLYMAN_METERS', async () => {
    const strict = await start({ meters: new Set(['storage']) });
    const error = await failure(clientOf('sk', strict).billing.meterEvents.create(event('a')));
    expect(error).toMatchObject({ code: 'no_meter', param: 'event_name' });
  });

  it('refuses a context of which no account can be told', async () => {
    const client = clientOf('sk_test_1', intake, { stripeContext: 'acct_1/acct_2' });
    expect(await failure(client.billing.meterEvents.create(event('a')))).toMatchObject({ code: 'account_invalid' });
  });

  it('takes any API key, unless there is a token: then that', async () => {
    const guarded = await start({ token: 'the-token' });
    const error = await failure(clientOf('sk_test_1', guarded).billing.meterEvents.create(event('a')));
    expect(error).toMatchObject({
      type: 'StripeAuthenticationError',
      statusCode: 401,
      rawType: 'invalid_request_error',
    });
    expect((await clientOf('the-token', guarded).billing.meterEvents.create(event('a'))).identifier).toBe('a');
  });

  it('says of the rest of Stripe that it is not here', async () => {
    const error = await failure(clientOf().customers.list());
    expect(error).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 404 });
    expect(error.message).toMatch(/Unrecognized request URL \(GET: \/v1\/customers\)/);
  });
});
