import { describe, expect, it } from 'vitest';
import type { EventFault } from '../../../../shared/event/event-fault.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import { cloudEventFormats } from './cloud-events.ts';
import { formatChooser } from './format.ts';
import { RequestFault } from './request-fault.ts';

const nowMs = Date.UTC(2026, 10, 22, 9, 30);
const validation = { nowMs, newId: () => expect.unreachable() };
const plain = {
  'ce-specversion': '1.0',
  'ce-id': 'A234',
  'ce-source': '/gateway',
  'ce-type': 'tokens',
  'ce-subject': 'cus_a',
  'content-type': 'application/json',
};
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What one request is taken as. */
function taken(more: Headers = {}, body = '{"value":7}', place?: string): UsageEvent | EventFault {
  const entries = Object.entries({ ...plain, ...more }).filter(([, value]) => value !== undefined);
  const headersDistinct = Object.fromEntries(entries.map(([name, value]) => [name, [value].flat()]));
  const headers = Object.fromEntries(entries.map(([name, value]) => [name, [value].flat().join(', ')]));
  const format = formatChooser(place)({ headers, headersDistinct });
  const items = format.read(body, 10);
  expect(items).toHaveLength(1);
  return format.validate(items[0], validation);
}

// Headers were not looked at: the body was an event without an id, and a redelivery was billed twice.
describe('a CloudEvent in binary mode', () => {
  it('is the same event as in structured mode', () => {
    const structured = { specversion: '1.0', id: 'A234', source: '/gateway', type: 'tokens', subject: 'cus_a' };
    const time = '2026-11-22T09:29:00.5Z';
    const event = cloudEventFormats().one.validate({ ...structured, time, data: { value: 7 } }, validation);
    expect(event).toMatchObject({ customer: 'cus_a', meter: 'tokens', value: '7' });
    expect(taken({ 'ce-time': time })).toEqual(event);
    expect(taken({ 'ce-time': time, 'content-type': 'application/vnd.acme+json; charset=utf-8' })).toEqual(event);
  });

  it('decodes its headers: quotes, then percents once', () => {
    const customerOf = (header: string): unknown => (taken({ 'ce-subject': header }) as UsageEvent).customer;
    expect(customerOf('Euro%20%E2%82%AC%20%F0%9F%98%80')).toBe('Euro € 😀');
    expect(customerOf('%63us_%e2%82%ac')).toBe('cus_€');
    expect(customerOf('100%2525')).toBe('100%25');
    expect(customerOf('"Acme \\"and\\" \\\\sons"')).toBe('Acme "and" \\sons');
    expect(customerOf('a plain text')).toBe('a plain text');
    expect(customerOf(Buffer.from('Zoë').toString('latin1'))).toBe('Zoë');
  });

  it('counts 1 without a body, whatever its type, and with null', () => {
    expect(taken({ 'content-type': undefined }, '')).toMatchObject({ value: '1', timestamp: nowMs / 1000 });
    expect(taken({ 'content-type': 'text/plain' }, ' \n')).toMatchObject({ value: '1' });
    expect(taken({}, 'null')).toMatchObject({ value: '1' });
  });

  it('has its value where the setting says, exactly', () => {
    expect(taken({}, '{"tokens":7}', 'data.tokens')).toMatchObject({ value: '7' });
    expect(taken({}, '{"tokens":0.1000000000000000055}', 'data.tokens')).toMatchObject({
      code: 'value_too_many_digits',
    });
  });

  it.each([
    ['specversion_invalid', 'ce-specversion', { 'ce-specversion': undefined }],
    ['specversion_invalid', 'ce-specversion', { 'ce-specversion': '0.3' }],
    ['source_invalid', 'ce-source', { 'ce-source': undefined }],
    ['id_invalid', 'ce-id', { 'ce-id': undefined }],
    ['id_invalid', 'ce-id', { 'ce-id': ['a', 'a'] }],
    ['id_invalid', 'ce-id', { 'ce-id': '%C0%A0' }],
    ['id_invalid', 'ce-id', { 'ce-id': '100%' }],
    ['id_invalid', 'ce-id', { 'ce-id': 'a%00b' }],
    ['id_invalid', 'ce-id', { 'ce-id': 'Zo\u00eb' }],
    ['customer_missing', 'ce-subject', { 'ce-subject': undefined }],
    ['customer_invalid', 'ce-subject', { 'ce-subject': '%7F' }],
    ['meter_missing', 'ce-type', { 'ce-type': undefined }],
    ['timestamp_invalid', 'ce-time', { 'ce-time': '1795426200' }],
    ['timestamp_too_old', 'ce-time', { 'ce-time': '2020-01-01T00:00:00Z' }],
    ['data_invalid', 'data', { 'content-type': 'text/plain' }],
    ['data_invalid', 'data', { 'content-type': undefined }],
    ['data_invalid', 'data', { 'content-type': 'application/x-ndjson' }],
  ])('is refused as %s, by the name %s, with %j', (code, field, more) => {
    const fault = taken(more);
    expect(fault).toMatchObject({ code });
    expect((fault as EventFault).message).toMatch(new RegExp(`^${field}: got `));
  });

  it.each([
    ['data_invalid', '[{"value":7}]'],
    ['data_invalid', '7'],
    ['value_missing', '{"Value":7}'],
    ['value_invalid', '{"value":null}'],
  ])('is refused as %s with the data %s', (code, body) => {
    expect(taken({}, body)).toMatchObject({ code });
  });

  it('is one of structured mode, or of a batch, where the content type says so: the headers repeat it then', () => {
    const type = (name: string) => ({ headers: { ...plain, 'content-type': name }, headersDistinct: {} });
    const body = '{"specversion":"1.0","id":"1","source":"/s","type":"m","subject":"c"}';
    expect(formatChooser()(type('application/cloudevents+json')).read(body, 10)).toEqual([JSON.parse(body)]);
    expect(formatChooser()(type('application/cloudevents-batch+json')).read(`[${body}]`, 10)).toHaveLength(1);
    expect(() => formatChooser()(type('application/cloudevents+avro'))).toThrow(RequestFault);
  });
});
