import { beforeEach, describe, expect, it } from 'vitest';
import type { Answer } from './answers.ts';
import type { Call } from './call.ts';
import { errorOf, Harness, nowS } from './testing/harness.ts';

let harness: Harness;
beforeEach(() => {
  harness = new Harness();
});

const lagMs = 10_000;
const minute = nowS - (nowS % 60);
const hour = nowS - (nowS % 3_600);

function get(path: string, query: string): Answer {
  return harness.run({ ...harness.eventCall(), method: 'GET', path, query, body: '' });
}

function post(path: string, body: string): Answer {
  const call: Call = { ...harness.eventCall(), path, body };
  return harness.run(call);
}

function meterId(name: string): string {
  const { data } = JSON.parse(get('/v1/billing/meters', 'limit=100').body) as {
    data: { id: string; event_name: string }[];
  };
  return data.find((meter) => meter.event_name === name)?.id ?? expect.unreachable();
}

function summaries(meter: string, query: string): { aggregated_value: number; start_time: number }[] {
  const answer = get(`/v1/billing/meters/${meterId(meter)}/event_summaries`, query);
  expect(answer.status).toBe(200);
  return (JSON.parse(answer.body) as { data: { aggregated_value: number; start_time: number }[] }).data;
}

const whole = `customer=cus_1&start_time=${minute - 7_200}&end_time=${minute + 3_600}`;
const valueOf = (meter = 'api', query = whole): number | undefined => summaries(meter, query)[0]?.aggregated_value;

describe('summaries', () => {
  it('show what was accepted, after a while', () => {
    harness.send({ value: '1.5' });
    harness.send({ value: '2' });
    expect(valueOf()).toBe(0);
    harness.nowMs += lagMs;
    expect(valueOf()).toBe(3.5);
  });

  it('are of one customer, one meter and the time that was asked for', () => {
    harness.send({ value: '1' });
    harness.send({ value: '2', timestampS: minute - 3_600 });
    harness.send({ value: '4', customer: 'cus_2' });
    harness.send({ value: '8', meter: 'seats' });
    harness.nowMs += lagMs;
    expect(valueOf()).toBe(3);
    expect(valueOf('api', `customer=cus_1&start_time=${minute - 3_600}&end_time=${minute - 3_540}`)).toBe(2);
    expect(valueOf('api', `customer=cus_3&start_time=${minute - 3_600}&end_time=${minute}`)).toBe(0);
  });

  it('add up as the meter does', () => {
    for (const [value, timestampS] of [
      ['3', nowS],
      ['5', nowS - 600],
    ] as const) {
      harness.send({ meter: 'seats', value, timestampS });
      harness.send({ meter: 'logins', value, timestampS });
    }
    harness.nowMs += lagMs;
    expect([valueOf('seats'), valueOf('logins')]).toEqual([3, 2]);
  });

  it('come per hour, the newest first, if that is asked for', () => {
    harness.send({ value: '1', timestampS: hour });
    harness.send({ value: '2', timestampS: hour - 3_600 });
    harness.nowMs += lagMs;
    const query = `customer=cus_1&start_time=${hour - 7_200}&end_time=${hour + 3_600}&value_grouping_window=hour`;
    expect(summaries('api', query)).toMatchObject([
      { aggregated_value: 1, start_time: hour },
      { aggregated_value: 2, start_time: hour - 3_600 },
    ]);
  });

  // A month is 43,200 minutes, and one summary. It was refused as if each minute were one.
  it('are one for whatever time when they are not grouped, and 10,000 at most when they are', () => {
    harness.send({ value: '3' });
    harness.nowMs += lagMs;
    expect(valueOf('api', `customer=cus_1&start_time=0&end_time=${minute + 3_600}`)).toBe(3);
    const endS = hour + 3_600;
    const grouped = (hours: number) =>
      get(
        `/v1/billing/meters/${meterId('api')}/event_summaries`,
        `customer=cus_1&start_time=${endS - hours * 3_600}&end_time=${endS}&value_grouping_window=hour`,
      );
    expect(grouped(10_000).status).toBe(200);
    expect(errorOf(grouped(10_001))['message']).toContain('more than 10000 summaries');
  });

  it.each([
    ['start_time=0&end_time=60', 'Missing required param: customer.'],
    [`customer=cus_1&start_time=${minute + 1}&end_time=${minute + 60}`, 'aligned with minute boundaries'],
    [`customer=cus_1&start_time=60&end_time=${minute}&value_grouping_window=hour`, 'aligned with hour boundaries'],
    [`customer=cus_1&start_time=${minute}&end_time=${minute}`, 'start_time is the lower one'],
    [`customer=cus_1&start_time=${minute}`, 'unix seconds'],
  ])('refuse %s', (query, sentence) => {
    const answer = get(`/v1/billing/meters/${meterId('api')}/event_summaries`, query);
    expect([answer.status, errorOf(answer)['message']]).toEqual([400, expect.stringContaining(sentence)]);
  });
});

describe('an adjustment', () => {
  const cancel = (identifier: string, meter = 'api'): Answer =>
    post('/v1/billing/meter_event_adjustments', `event_name=${meter}&type=cancel&cancel[identifier]=${identifier}`);

  it('takes an event back, from the ledger at once and from summaries with their lag', () => {
    harness.send({ identifier: 'wrong', value: '100' });
    harness.send({ identifier: 'right', value: '1' });
    harness.nowMs += lagMs;
    expect(JSON.parse(cancel('wrong').body)).toMatchObject({
      object: 'billing.meter_event_adjustment',
      cancel: { identifier: 'wrong' },
      event_name: 'api',
    });
    expect([...harness.simulator.ledger.totals()]).toMatchObject([{ value: '1', events: 1 }]);
    expect(valueOf()).toBe(101);
    harness.nowMs += lagMs;
    expect(valueOf()).toBe(1);
  });

  it('does not free the identifier', () => {
    harness.send({ identifier: 'wrong' });
    cancel('wrong');
    expect(errorOf(harness.send({ identifier: 'wrong' }))['message']).toContain('already exists');
  });

  it.each([
    ['an event that is not known', () => cancel('never'), 'No event with identifier never'],
    ['the same event twice', () => (cancel('sent'), cancel('sent')), 'cancelled already'],
    ['the event of another meter', () => cancel('sent', 'logins'), 'No event'],
    [
      'what has overwritten something',
      () => (harness.send({ identifier: 'seat', meter: 'seats' }), cancel('seat', 'seats')),
      'overwritten',
    ],
    ['an event of yesterday', () => ((harness.nowMs += 86_400_000), cancel('sent')), 'within 24 hours'],
  ])('is refused for %s', (_, act, sentence) => {
    harness.send({ identifier: 'sent' });
    const answer = act();
    expect([answer.status, errorOf(answer)['message']]).toEqual([400, expect.stringContaining(sentence)]);
  });
});
