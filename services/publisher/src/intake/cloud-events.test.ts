import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EventFault } from '../../../../shared/event/event-fault.ts';
import { cloudEventFormats } from './cloud-events.ts';

const { one: cloudEvent, batch: cloudEventBatch } = cloudEventFormats();
const nowMs = Date.UTC(2026, 10, 22, 9, 30);
const plain = {
  specversion: '1.0',
  id: 'A234-1234-1234',
  source: 'https://example.com/gateway',
  type: 'api_requests',
  subject: 'cus_a',
};
const validate = (input: unknown) => cloudEvent.validate(input, { nowMs, newId: () => expect.unreachable() });

describe('a CloudEvent', () => {
  it('is read by its subject, type, time and the value of its data', () => {
    const event = validate({ ...plain, time: '2026-11-22T09:29:00.5Z', data: { value: '2.50' } });
    expect(event).toEqual({
      id: createHash('sha256').update('https://example.com/gateway\0A234-1234-1234').digest('hex'),
      customer: 'cus_a',
      meter: 'api_requests',
      value: '2.50',
      timestamp: Date.UTC(2026, 10, 22, 9, 29, 0, 500) / 1000,
    });
  });

  it('counts 1 now without data and time', () => {
    expect(validate(plain)).toMatchObject({ value: '1', timestamp: nowMs / 1000 });
    expect(validate({ ...plain, data: null })).toMatchObject({ value: '1' });
  });

  it('may have whatever else there is, which is ignored', () => {
    const more = { dataschema: 7, traceparent: [], dimensions: { a: 1 }, account: 4, customer: 'x', meter: null };
    const read = validate({ ...plain, ...more, data: { value: 3, dimensions: { region: 'eu' } } });
    expect(read).toEqual({ ...(validate({ ...plain, data: { value: 3 } }) as object) });
    expect(validate(JSON.parse(`{"__proto__":{"subject":"x"},"specversion":"1.0"}`))).toMatchObject({
      code: 'source_invalid',
    });
  });

  it('is another one with the same id from another source, and the same one otherwise', () => {
    const idOf = (more: object): unknown => (validate({ ...plain, ...more }) as { readonly id: string }).id;
    expect(idOf({ source: '/other' })).not.toBe(idOf({}));
    expect(idOf({ data: { value: 2 } })).toBe(idOf({}));
    expect(idOf({ source: 'ab', id: 'c' })).not.toBe(idOf({ source: 'a', id: 'bc' }));
  });

  it.each([
    ['specversion_invalid', 'specversion', { specversion: '0.3' }],
    ['specversion_invalid', 'specversion', { specversion: 1 }],
    ['source_invalid', 'source', { source: undefined }],
    ['source_invalid', 'source', { source: '' }],
    ['source_invalid', 'source', { source: 'a\u0000b' }],
    ['id_invalid', 'id', { id: undefined }],
    ['id_invalid', 'id', { id: '\ud800' }],
    ['id_invalid', 'id', { id: 'x'.repeat(501) }],
    ['customer_missing', 'subject', { subject: undefined }],
    ['customer_invalid', 'subject', { subject: null }],
    ['meter_missing', 'type', { type: undefined }],
    ['meter_invalid', 'type', { type: '' }],
    ['timestamp_invalid', 'time', { time: nowMs / 1000 }],
    ['timestamp_invalid', 'time', { time: 'yesterday' }],
    ['timestamp_too_old', 'time', { time: '2020-01-01T00:00:00Z' }],
    ['data_invalid', 'data', { data: 5 }],
    ['data_invalid', 'data', { data: null, data_base64: 'eyJ2YWx1ZSI6NX0=' }],
    ['data_invalid', 'data', { data: { value: 5 }, data_base64: 'eyJ2YWx1ZSI6NX0=' }],
    ['value_missing', 'data.value', { data: {} }],
    ['value_missing', 'data.value', { data: { unit: 'calls' } }],
    ['value_missing', 'data.value', { data: JSON.parse('{"__proto__":{"value":3}}') }],
    ['data_invalid', 'data', { data: '{"value":5}' }],
    ['data_invalid', 'data', { data: [5] }],
    ['data_invalid', 'data', { data_base64: 'eyJ2YWx1ZSI6NX0=' }],
    ['value_invalid', 'data.value', { data: { value: null } }],
    ['value_too_many_digits', 'data.value', { data: { value: '1234567890123456' } }],
  ])('is refused as %s, by the name %s, with %j', (code, field, more) => {
    const fault = validate({ ...plain, ...more });
    expect(fault).toBeInstanceOf(EventFault);
    expect(fault).toMatchObject({ code });
    expect((fault as EventFault).message).toMatch(new RegExp(`^${field.replace('.', '\\.')}: got `));
  });

  it.each([7, null, [plain], 'x'])('is not %j', (input) => {
    expect(validate(input)).toMatchObject({ code: 'not_an_object' });
  });
});

// {"Value":70}, {"amount":"70"} and {} were answered with 202, and counted 1.
describe('data without the value', () => {
  const message = (data: unknown, place?: string): string => {
    const event = cloudEventFormats(place).one.validate({ ...plain, data }, { nowMs, newId: () => 'made' });
    return event instanceof EventFault ? `${event.code} ${event.message}` : `taken as ${event.value}`;
  };

  it('is refused, with the fields that are there', () => {
    expect(message({ Value: 70 })).toBe(
      'value_missing data.value: got nothing (data has "Value"); it must be a number there, or where TALLYMAN_CLOUDEVENTS_VALUE says, such as data.tokens.',
    );
    expect(message({ amount: '70', unit: 'x' })).toContain('data has "amount", "unit"');
    expect(message({})).toContain('data is empty');
    expect(message(Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`f${at}`, 1])))).toContain(
      '"f5" and 3 more',
    );
  });

  it('may have it where a setting says', () => {
    expect(message({ tokens: 70, value: 3 }, 'data.tokens')).toBe('taken as 70');
    expect(message({ usage: { total: '7.5' } }, 'data.usage.total')).toBe('taken as 7.5');
    expect(message({ value: 3 }, 'data.tokens')).toMatch(
      /^value_missing data\.tokens: got nothing \(data has "value"\)/,
    );
    expect(message({ usage: { input: 3 } }, 'data.usage.total')).toContain('data.usage has "input"');
    expect(message({ usage: 7 }, 'data.usage.total')).toContain('data.usage is the number 7');
    expect(message({}, 'data.constructor')).toContain('value_missing');
    expect(message({ tokens: null }, 'data.tokens')).toMatch(/^value_invalid data\.tokens: got null/);
    expect(message(undefined, 'data.tokens')).toBe('taken as 1');
  });

  it('is each 1 where a setting says so', () => {
    expect(message({ path: '/', value: 3 }, '1')).toBe('taken as 1');
    expect(message([5], '1')).toContain('data_invalid');
  });

  it('is exact where the setting says', () => {
    const { one } = cloudEventFormats('data.tokens');
    const [event] = one.read(
      JSON.stringify({ ...plain, data: { tokens: 7 } }).replace('7}', '0.1000000000000000055}'),
      1,
    );
    expect(one.validate(event, { nowMs, newId: () => 'made' })).toMatchObject({ code: 'value_too_many_digits' });
  });
});

describe('the media types', () => {
  it('take one CloudEvent, or a batch of them', () => {
    expect(cloudEvent.read(JSON.stringify(plain), 10)).toEqual([plain]);
    expect(cloudEventBatch.read(JSON.stringify([plain, 7]), 10)).toEqual([plain, 7]);
  });

  it.each([
    ['an array for one', () => cloudEvent.read('[]', 10)],
    ['an object for a batch', () => cloudEventBatch.read('{}', 10)],
    ['no JSON', () => cloudEvent.read('{', 10)],
    ['an empty batch', () => cloudEventBatch.read('[]', 10)],
    ['too large a batch', () => cloudEventBatch.read('[1,2]', 1)],
  ])('refuse %s', (_, read) => {
    expect(read).toThrow();
  });
});
