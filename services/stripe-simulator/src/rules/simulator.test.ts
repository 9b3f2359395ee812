import { beforeEach, describe, expect, it } from 'vitest';
import { dayMs, errorOf, type EventOptions, Harness, nowS } from './testing/harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

describe('a meter event', () => {
  it('is answered as Stripe does, and counted', () => {
    const answer = harness.send({ identifier: 'a', value: '1.50', timestampS: nowS - 60 });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({
      object: 'billing.meter_event',
      created: nowS,
      event_name: 'api',
      identifier: 'a',
      livemode: false,
      payload: { stripe_customer_id: 'cus_1', value: '1.50' },
      timestamp: nowS - 60,
    });
    expect([...harness.simulator.ledger.totals()]).toEqual([
      { customer: 'cus_1', event_name: 'api', value: '1.5', events: 1 },
    ]);
  });

  it('gets an identifier and a timestamp if it has none', () => {
    const answer = harness.run(
      harness.post('event_name=api&payload[stripe_customer_id]=cus_1&payload[value]=1', { apiKey: 'sk_live_1' }),
    );
    expect(JSON.parse(answer.body)).toMatchObject({ identifier: expect.any(String), timestamp: nowS, livemode: true });
  });

  it('needs no value where the meter counts events', () => {
    expect(harness.run(harness.post('event_name=logins&payload[stripe_customer_id]=cus_1')).status).toBe(200);
  });

  it.each<[string, EventOptions]>([
    ['no_meter', { meter: 'unknown' }],
    ['meter_event_customer_not_found', { customer: 'someone' }],
    ['meter_event_no_customer_defined', { customer: '' }],
    ['meter_event_invalid_value', { value: '' }],
    ['meter_event_invalid_value', { value: '1e3' }],
    ['meter_event_value_too_many_digits', { value: '1234567890123.456' }],
    ['meter_event_value_too_many_digits', { value: '1000000000000000' }],
    ['timestamp_too_far_in_past', { timestampS: nowS - 35 * 86_400 - 1 }],
    ['timestamp_in_future', { timestampS: nowS + 301 }],
  ])('is refused with %s: %j', (code, given) => {
    harness.simulator.limits = { ...harness.simulator.limits, latency: { kind: 'fixed', ms: 0 } };
    const answer = harness.send(given);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({ type: 'invalid_request_error', code });
    expect(harness.simulator.ledger.counts).toMatchObject({ events: 0, refused: 1 });
  });

  it.each<EventOptions>([
    { timestampS: nowS - 35 * 86_400 },
    { timestampS: nowS + 300 },
    { value: '123456789012345' },
    { value: '-0.00000000000001' },
    { identifier: 'x'.repeat(100) },
  ])('is taken at the limit: %j', (given) => {
    harness.simulator.limits = { ...harness.simulator.limits, latency: { kind: 'fixed', ms: 0 } };
    expect(harness.send(given).status).toBe(200);
  });

  it.each([
    ['event_name', 'payload[value]=1'],
    ['event_name', `event_name=${'x'.repeat(101)}&payload[value]=1`],
    ['identifier', `event_name=api&identifier=${'x'.repeat(101)}&payload[value]=1`],
    ['payload', 'event_name=api'],
    ['payload', 'event_name=api&payload=1'],
    ['payload[value]', 'event_name=api&payload[value][x]=1'],
    ['timestamp', 'event_name=api&payload[value]=1&timestamp=1.5'],
    ['colour', 'event_name=api&payload[value]=1&colour=red'],
  ])('is refused for a malformed %s', (param, body) => {
    const answer = harness.run(harness.post(body));
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({ type: 'invalid_request_error', param });
    expect(harness.simulator.ledger.counts.refused).toBe(1);
  });

  it('is refused once its meter is archived, and taken again once it is not', () => {
    harness.simulator.world.declare({ archivedMeters: ['api'] });
    expect(errorOf(harness.send())).toMatchObject({ code: 'archived_meter' });
    harness.simulator.world.declare({ archivedMeters: [] });
    expect(harness.send().status).toBe(200);
  });

  it('is refused for a customer that was declared unknown', () => {
    harness.simulator.world.declare({ unknownCustomers: ['cus_1'] });
    expect(errorOf(harness.send())).toMatchObject({ code: 'meter_event_customer_not_found' });
    expect(harness.send({ customer: 'cus_2' }).status).toBe(200);
  });
});

describe('an identifier', () => {
  it('counts once; the second event is refused without a code, not to be retried', () => {
    harness.send({ identifier: 'a', value: '1' });
    const again = harness.send({ identifier: 'a', customer: 'cus_2', value: '5' });
    expect(again).toMatchObject({ status: 400, headers: { 'stripe-should-retry': 'false' } });
    expect(errorOf(again)).toEqual({
      type: 'invalid_request_error',
      message: 'An event already exists with identifier a.',
    });
    expect(harness.simulator.ledger.counts).toMatchObject({ events: 1, duplicates: 1, refused: 0 });
  });

  it('is remembered for 24 hours, no longer', () => {
    harness.send({ identifier: 'a' });
    const countedMs = harness.nowMs;
    harness.nowMs = countedMs + dayMs - 201;
    expect(harness.send({ identifier: 'a' }).status).toBe(400);
    harness.nowMs = countedMs + dayMs;
    expect(harness.send({ identifier: 'a' }).status).toBe(200);
  });

  it('is remembered per account', () => {
    harness.send({ identifier: 'a' });
    expect(harness.send({ identifier: 'a', account: 'acct_1' }).status).toBe(200);
  });

  it('of a refused event is free', () => {
    harness.send({ identifier: 'a', value: 'x' });
    expect(harness.send({ identifier: 'a' }).status).toBe(200);
  });
});
