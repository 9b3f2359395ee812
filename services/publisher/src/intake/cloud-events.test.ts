import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EventFault } from '../../../../shared/event/event-fault.ts';
import { cloudEvent, cloudEventBatch } from './cloud-events.ts';

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
    expect(validate({ ...plain, data: { unit: 'calls' } })).toMatchObject({ value: '1' });
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
    ['data_invalid', 'data', { data: null }],
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
