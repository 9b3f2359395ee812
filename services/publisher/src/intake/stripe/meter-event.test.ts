import { describe, expect, it } from 'vitest';
import { EventFault } from '../../../../../shared/event/event-fault.ts';
import { validateEvent } from '../../../../../shared/event/validate.ts';
import { refusalOf, usageEventOf } from './meter-event.ts';
import type { StripeRefusal } from './refusal.ts';
import { v1 } from './v1.ts';
import { v2 } from './v2.ts';

const nowMs = Date.UTC(2026, 11, 1);
const keys = { customer: 'stripe_customer_id', value: 'value' };

/** The refusal of a meter event, or the time of the one that is taken. */
function told(version: typeof v1, text: string): StripeRefusal | number {
  const event = validateEvent(usageEventOf(version.read(text), keys, undefined), { nowMs, newId: () => 'made' });
  return event instanceof EventFault ? refusalOf(event, keys, version.name) : event.timestamp;
}
const form = (more: string): string => `event_name=tokens&payload[stripe_customer_id]=cus_a${more}`;
const json = (more: object, payload: object = { value: '1' }): string =>
  JSON.stringify({ event_name: 'tokens', payload: { stripe_customer_id: 'cus_a', ...payload }, ...more });

// The refusal of milliseconds offered RFC 3339 to the form of v1, and unix seconds to the JSON of v2: neither takes that.
describe('milliseconds', () => {
  it('are refused by v1 with what its form takes', () => {
    const refusal = told(v1, form(`&payload[value]=1&timestamp=${nowMs}`));
    expect(refusal).toMatchObject({ code: 'parameter_invalid_integer', param: 'timestamp' });
    expect(refusal).toMatchObject({
      message: expect.stringMatching(/in seconds: 1796083200\); .* a whole number of unix/),
    });
    expect((refusal as StripeRefusal).message).not.toContain('RFC');
    expect(told(v1, form(`&payload[value]=1&timestamp=${nowMs / 1000}`))).toBe(nowMs / 1000);
  });

  it('are refused by v2 with what its JSON takes', () => {
    const refusal = told(v2, json({ timestamp: String(nowMs) }));
    expect(refusal).toMatchObject({ code: 'invalid_fields', param: 'timestamp' });
    expect((refusal as StripeRefusal).message).toContain('an RFC 3339 string');
    expect((refusal as StripeRefusal).message).not.toContain('unix seconds');
  });
});

it('of v2 keeps the last instant of a period, however fine', () => {
  expect(told(v2, json({ timestamp: '2026-11-30T23:59:59.999999999Z' }))).toBe(nowMs / 1000 - 0.001);
  const event = { id: 'i', customer: 'c', meter: 'm', value: '1', timestamp: nowMs / 1000 - 0.001 };
  const sent = { eventName: 'm', identifier: 'i', timestamp: undefined, payload: {} };
  expect(v2.success(event, sent, nowMs, false)).toMatchObject({ timestamp: '2026-11-30T23:59:59.999Z' });
});

it('without a value is refused with the keys that its payload has', () => {
  const code = 'meter_event_invalid_value';
  const message = expect.stringContaining('got nothing (payload has "stripe_customer_id", "Value")') as string;
  expect(told(v1, form('&payload[Value]=7'))).toMatchObject({ code, message, param: 'payload[value]' });
  expect(told(v2, json({}, { Value: '7' }))).toMatchObject({ code, message });
});

it('with a misspelt field is told which one was probably meant', () => {
  expect(() => v1.read(form('&payload[value]=1&identifer=7'))).toThrow(/did you mean identifier\?/);
  expect(() => v2.read(json({ TimeStamp: '7' }))).toThrow(/did you mean timestamp\?/);
});
