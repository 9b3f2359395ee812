/** The official `stripe` package, unmodified, pointed at the sidecar instead of Stripe: its second version, sessions and streams. */
import { Stripe } from 'stripe';
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

describe('v2.billing.meterEvents.create', () => {
  it('is answered like by Stripe', async () => {
    const timestamp = new Date(Date.now() - 60_000).toISOString();
    const created = await clientOf().v2.billing.meterEvents.create({
      ...event('e1', { region: 'eu' }),
      timestamp,
    });
    expect(created).toMatchObject({
      object: 'v2.billing.meter_event',
      event_name: 'api_requests',
      identifier: 'e1',
      livemode: false,
      payload: { stripe_customer_id: 'cus_1', value: '25', region: 'eu' },
      timestamp,
      created: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(intake.outbox.events).toMatchObject([{ id: 'e1', value: '25', dimensions: { region: 'eu' } }]);
  });

  it('refuses a duplicate by its code, and replays by the idempotency key', async () => {
    const { meterEvents } = clientOf().v2.billing;
    const params = { event_name: 'm', identifier: 'e1', payload: { stripe_customer_id: 'c', value: '1' } };
    const first = await meterEvents.create(params, { idempotencyKey: 'k' });
    expect(await meterEvents.create(params, { idempotencyKey: 'k' })).toEqual(first);
    expect(await failure(meterEvents.create(params))).toMatchObject({ statusCode: 400, code: 'duplicate_meter_event' });
    expect(intake.outbox.events).toHaveLength(1);
  });

  it.each<[string, unknown]>([
    ['meter_event_no_customer_defined', { event_name: 'm', payload: { value: '1' } }],
    ['meter_event_invalid_value', { event_name: 'm', payload: { stripe_customer_id: 'c' } }],
    ['invalid_fields', { event_name: 'm' }],
    ['invalid_fields', { payload: {} }],
    ['invalid_fields', { event_name: 'm', payload: { stripe_customer_id: 'c', value: 1 } }],
    ['invalid_fields', { event_name: 'm', payload: { stripe_customer_id: 'c', value: '1' }, timestamp: 1_795_426_200 }],
    ['invalid_fields', { event_name: 'm', payload: { stripe_customer_id: 'c', value: '1' }, timestamp: 'now' }],
    ['invalid_fields', { event_name: 'm', payload: { stripe_customer_id: 'c', value: '1' }, colour: 'red' }],
    ['invalid_fields', { event_name: 7, payload: { stripe_customer_id: 'c', value: '1' } }],
  ])('refuses as %s: %j', async (code, params) => {
    const error = await failure(
      clientOf().v2.billing.meterEvents.create(params as Stripe.V2.Billing.MeterEventCreateParams),
    );
    expect(error).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 400, code });
    expect(intake.outbox.submitted).toEqual([]);
  });
});

describe('the meter event stream', () => {
  const events = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      event_name: 'm',
      identifier: `s${index}`,
      payload: { stripe_customer_id: `cus_${index}`, value: '2' },
    }));

  async function streamOf(at: TestIntake, apiKey = 'sk_test_1', options?: Stripe.RequestOptions): Promise<Stripe> {
    const session = await clientOf(apiKey, at).v2.billing.meterEventSession.create({}, options);
    expect(session).toMatchObject({ object: 'v2.billing.meter_event_session', livemode: false });
    expect(Date.parse(session.expires_at) - Date.parse(session.created)).toBe(15 * 60_000);
    return clientOf(session.authentication_token, at);
  }

  it('takes a hundred events with the token of a session', async () => {
    const stream = await streamOf(intake);
    expect(await stream.v2.billing.meterEventStream.create({ events: events(100) })).toEqual({});
    expect(intake.outbox.events).toHaveLength(100);
    await stream.v2.billing.meterEventStream.create({ events: events(100) });
    expect(intake.outbox.events).toHaveLength(100);
  });

  it('takes the account of its session', async () => {
    const stream = await streamOf(intake, 'sk_test_1', { stripeAccount: 'acct_1' });
    await stream.v2.billing.meterEventStream.create({ events: events(1) });
    expect(intake.outbox.events).toMatchObject([{ account: 'acct_1' }]);
  });

  it('counts nothing of a request with an invalid event, and says which it is', async () => {
    const stream = await streamOf(intake);
    const bad = [...events(2), { event_name: 'm', payload: { stripe_customer_id: 'c', value: 'x' } }];
    const error = await failure(stream.v2.billing.meterEventStream.create({ events: bad }));
    expect(error).toMatchObject({
      statusCode: 400,
      code: 'meter_event_invalid_value',
      param: 'events[2].payload[value]',
    });
    expect(intake.outbox.submitted).toEqual([]);
    await stream.v2.billing.meterEventStream.create({ events: bad.slice(0, 2) });
    expect(intake.outbox.events).toHaveLength(2);
  });

  it.each([0, 101])('refuses %d events', async (count) => {
    const stream = await streamOf(intake);
    const error = await failure(stream.v2.billing.meterEventStream.create({ events: events(count) }));
    expect(error).toMatchObject({ statusCode: 400, code: 'invalid_fields' });
  });

  it.each(['sk_test_1', 'eyJ.abc'])('refuses the token %s like one that has expired', async (token) => {
    const error = await failure(clientOf(token).v2.billing.meterEventStream.create({ events: events(1) }));
    expect(error).toBeInstanceOf(Stripe.errors.TemporarySessionExpiredError);
    expect(error).toMatchObject({ statusCode: 401, code: 'billing_meter_event_session_expired' });
  });

  it('asks for the token of the configuration when a session is made, and for that of the session after', async () => {
    const guarded = await start({ token: 'the-token' });
    const session = clientOf('sk_test_1', guarded).v2.billing.meterEventSession.create();
    expect(await failure(session)).toMatchObject({ type: 'StripeAuthenticationError', statusCode: 401 });
    const stream = await streamOf(guarded, 'the-token');
    await stream.v2.billing.meterEventStream.create({ events: events(1) });
    expect(guarded.outbox.events).toHaveLength(1);
    expect(
      await failure(clientOf('the-token', guarded).v2.billing.meterEventStream.create({ events: [] })),
    ).toMatchObject({
      statusCode: 401,
    });
  });
});
