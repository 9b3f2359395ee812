import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventFault } from './event-fault.ts';
import { parseRfc3339 } from './timestamp.ts';
import type { UsageEvent } from './usage-event.ts';
import { validateEvent } from './validate.ts';

const nowMs = Date.UTC(2026, 10, 22, 9, 30);
const nowS = nowMs / 1000;
const plain = { id: 'e1', customer: 'cus_a', meter: 'tokens' };

function validate(input: unknown, meters?: ReadonlySet<string>): UsageEvent | EventFault {
  return validateEvent(input, { nowMs, newId: () => 'made', meters });
}

function accepted(input: unknown): UsageEvent {
  const result = validate(input);
  if (result instanceof EventFault) throw new Error(`refused: ${result.message}`);
  return result;
}

function refused(input: unknown): EventFault {
  const result = validate(input);
  if (!(result instanceof EventFault)) throw new Error(`accepted: ${JSON.stringify(result)}`);
  return result;
}

describe('validateEvent', () => {
  it('fills in value, timestamp and id', () => {
    expect(accepted({ customer: 'c', meter: 'm' })).toEqual({
      id: 'made',
      idGenerated: true,
      customer: 'c',
      meter: 'm',
      value: '1',
      timestamp: nowS,
    });
  });

  it('keeps what was sent', () => {
    const full = { ...plain, value: '1.50', timestamp: nowS - 1, dimensions: { region: 'eu' }, account: 'acct_1' };
    expect(accepted(full)).toEqual(full);
  });

  it('takes no dimensions and an empty map of them as the same', () => {
    expect(accepted({ ...plain, dimensions: {} })).not.toHaveProperty('dimensions');
  });

  it.each([null, undefined, 'event', 7, [plain]])('refuses %j, which is no object', (input) => {
    expect(refused(input).code).toBe('not_an_object');
  });

  it.each([
    ['unknown_field', { ...plain, quantity: 2 }],
    ['unknown_field', { ...plain, idGenerated: true }],
    ['unknown_field', JSON.parse('{"customer":"c","meter":"m","__proto__":{"value":9}}')],
    ['id_invalid', { ...plain, id: '' }],
    ['id_invalid', { ...plain, id: null }],
    ['id_invalid', { ...plain, id: 17 }],
    ['id_invalid', { ...plain, id: 'x'.repeat(101) }],
    ['customer_missing', { meter: 'tokens' }],
    ['customer_invalid', { ...plain, customer: null }],
    ['customer_invalid', { ...plain, customer: 'x'.repeat(256) }],
    ['customer_invalid', { ...plain, customer: 'a\0b' }],
    ['meter_missing', { customer: 'cus_a' }],
    ['meter_invalid', { ...plain, meter: ['tokens'] }],
    ['meter_invalid', { ...plain, meter: 'tok\u009fens' }],
    ['dimensions_invalid', { ...plain, dimensions: ['eu'] }],
    ['dimensions_invalid', { ...plain, dimensions: null }],
    ['dimensions_invalid', { ...plain, dimensions: { region: 1 } }],
    ['dimensions_invalid', { ...plain, dimensions: { region: '' } }],
    ['dimensions_invalid', { ...plain, dimensions: { '': 'eu' } }],
    ['dimensions_invalid', { ...plain, dimensions: { ['k'.repeat(101)]: 'eu' } }],
    ['dimensions_invalid', { ...plain, dimensions: { region: 'v'.repeat(501) } }],
    ['dimensions_invalid', { ...plain, dimensions: { region: 'e\nu' } }],
    ['dimensions_invalid', { ...plain, dimensions: { 're\tgion': 'eu' } }],
    ['dimensions_invalid', { ...plain, dimensions: { region: '\ud800' } }],
    [
      'dimensions_invalid',
      { ...plain, dimensions: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) },
    ],
    ['account_invalid', { ...plain, account: '' }],
    ['account_invalid', { ...plain, account: 'acct 1' }],
    ['account_invalid', { ...plain, account: 'acct_ä' }],
    ['account_invalid', { ...plain, account: null }],
  ])('refuses as %s: %j', (code, input) => {
    expect(refused(input).code).toBe(code);
  });

  it.each(['id', 'customer', 'meter'])('refuses a lone surrogate in %s, and takes a pair', (field) => {
    expect(refused({ ...plain, [field]: 'a\udc00' }).message).toContain('a lone surrogate');
    expect(accepted({ ...plain, [field]: 'a🚀' })).toHaveProperty(field, 'a🚀');
  });

  it('takes the longest of everything', () => {
    const dimensions = Object.fromEntries(
      Array.from({ length: 32 }, (_, index) => [String(index).padEnd(100, 'k'), 'v'.repeat(500)]),
    );
    const event = {
      id: 'i'.repeat(100),
      customer: 'c'.repeat(255),
      meter: 'm'.repeat(100),
      account: 'a'.repeat(255),
      dimensions,
    };
    expect(accepted(event)).toMatchObject(event);
  });

  it('takes a dimension called __proto__ for a dimension', () => {
    const input: unknown = JSON.parse('{"customer":"c","meter":"m","dimensions":{"__proto__":"x"}}');
    const { dimensions } = accepted(input);
    expect(Object.entries(dimensions!)).toEqual([['__proto__', 'x']]);
    expect(Object.getPrototypeOf(dimensions)).toBe(Object.prototype);
  });

  it('takes only the meters on the list, if there is one', () => {
    const meters = new Set(['tokens', 'storage']);
    expect(validate(plain, meters)).not.toBeInstanceOf(EventFault);
    expect(validate({ ...plain, meter: 'tokns' }, meters)).toEqual(
      new EventFault('meter_not_allowed', 'meter', '"tokns"', 'one of those in TALLYMAN_METERS: "tokens", "storage"'),
    );
  });

  it('names the field, what it got and what it may be', () => {
    expect(refused({ ...plain, customer: 42 }).message).toBe(
      'customer: got the number 42; it must be a string of 1 to 255 characters without control characters and lone surrogates.',
    );
    expect(refused({ ...plain, dimensions: { region: 1 } }).message).toMatch(
      /^dimensions\["region"\]: got the number 1; /,
    );
  });

  it.each([
    ['Value', 'value'],
    ['customer_id', 'customer'],
    ['TIMESTAMP', 'timestamp'],
    ['metre', 'meter'],
    ['dimension', 'dimensions'],
  ])('names the field that %s was probably meant for', (field, meant) => {
    expect(refused({ ...plain, [field]: 7 }).message).toBe(
      `"${field}": got the number 7; it must be one of the fields id, customer, meter, value, timestamp, dimensions and account (did you mean ${meant}?).`,
    );
  });

  it.each(['foo', 'colour', 'x'.repeat(100_000), ''])('guesses no field for one that is like none: %.20s', (field) => {
    expect(refused({ ...plain, [field]: 7 }).message).toMatch(/dimensions and account\.$/);
  });

  it('shows what it got in short and printable', () => {
    const { message } = refused({ ...plain, id: '\u0000\u0085'.repeat(200) });
    expect(message).toMatch(/^id: got "(\\u0000\\u0085){30}…" \(400 characters\); /);
  });
});

describe('value', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    ['-0', '0'],
    ['0.000', '0'],
    ['-0.00', '0'],
    [7, '7'],
    [-12, '-12'],
    [0.1, '0.1'],
    ['1.50', '1.50'],
    ['-1.5', '-1.5'],
    [1e-7, '0.0000001'],
    [-1.25e-7, '-0.000000125'],
    [1e14, '100000000000000'],
    [1.5e3, '1500'],
    ['0.000000000000000000000123456789012345', '0.000000000000000000000123456789012345'],
    [123456789012345, '123456789012345'],
    ['999999999999999', '999999999999999'],
    ['12345.6789012345', '12345.6789012345'],
    [`0.${'0'.repeat(61)}1`, `0.${'0'.repeat(61)}1`],
  ])('%j is exactly %s', (value, exact) => {
    expect(accepted({ ...plain, value }).value).toBe(exact);
  });

  it.each([
    1e15,
    1e20,
    1e21,
    1e300,
    1234567890123456,
    0.1234567890123456,
    '1000000000000000',
    '1.000000000000000',
    '-123456789.1234567',
  ])('%j has more than 15 significant digits', (value) => {
    expect(refused({ ...plain, value }).code).toBe('value_too_many_digits');
  });

  // 0.1 + 0.2 has 17 digits. The refusal did not say what to do about it.
  it.each([
    [0.1 + 0.2, 'here to 0.3;'],
    ['0.30000000000000004', 'here to 0.3;'],
    [-1.1 * 3, 'here to -3.3;'],
    ['0.000000123456789012345678', 'here to 0.000000123456789012346;'],
    [1e15, 'Meter a larger unit'],
    ['12345678901234567', 'Meter a larger unit'],
    [`1${'0'.repeat(500)}`, 'Meter a larger unit'],
  ])('%j is refused with what to do: %s', (value, how) => {
    const { code, message } = refused({ ...plain, value });
    expect(code).toBe('value_too_many_digits');
    expect(message).toContain(how);
    const rounded = /here to (\S+);/.exec(message)?.[1];
    if (rounded !== undefined) expect(accepted({ ...plain, value: rounded }).value).toBe(rounded);
  });

  it.each([
    JSON.parse('1e400'),
    NaN,
    -Infinity,
    1e-300,
    `0.${'0'.repeat(62)}1`,
    '',
    ' 1',
    '1 ',
    '+1',
    '01',
    '-01',
    '.5',
    '1.',
    '1e3',
    '0x10',
    'NaN',
    'Infinity',
    '1,5',
    '１',
    null,
    true,
    {},
    [1],
    '--1',
    '1\n',
  ])('%j is no value', (value) => {
    expect(refused({ ...plain, value }).code).toBe('value_invalid');
  });
});

describe('timestamp', () => {
  it.each([
    [nowS, nowS],
    [nowS - 0.1234, nowS - 0.124],
    ['2026-11-22T09:30:00Z', nowS],
    ['2026-11-22t09:30:00z', nowS],
    ['2026-11-22T09:29:59.5Z', nowS - 0.5],
    ['2026-11-22T09:29:59.123456789Z', nowS - 0.877],
    ['2026-11-22T11:30:00+02:00', nowS],
    ['2026-11-21T23:30:00-10:00', nowS],
    [nowS - 35 * 86_400 + 3_600, nowS - 35 * 86_400 + 3_600],
    [nowS + 300, nowS + 300],
  ])('%j is %d', (timestamp, seconds) => {
    expect(accepted({ ...plain, timestamp }).timestamp).toBe(seconds);
  });

  it.each([
    ['timestamp_too_old', nowS - 35 * 86_400 + 3_599],
    ['timestamp_too_old', '2026-10-18T10:29:59.999Z'],
    ['timestamp_too_old', '2026-10-01T00:00:00Z'],
    ['timestamp_too_old', 0],
    ['timestamp_too_old', -1],
    ['timestamp_in_future', nowS + 301],
    ['timestamp_in_future', '2026-11-22T09:36:00Z'],
    ['timestamp_invalid', nowMs],
    ['timestamp_invalid', JSON.parse('1e400')],
    ['timestamp_invalid', String(nowS)],
    ['timestamp_invalid', 'yesterday'],
    ['timestamp_invalid', '2026-11-22'],
    ['timestamp_invalid', '2026-11-22 09:30:00Z'],
    ['timestamp_invalid', '2026-11-22T09:30:00'],
    ['timestamp_invalid', '2026-11-22T09:30Z'],
    ['timestamp_invalid', '2026-11-31T09:30:00Z'],
    ['timestamp_invalid', '2026-13-01T09:30:00Z'],
    ['timestamp_invalid', '2026-00-01T09:30:00Z'],
    ['timestamp_invalid', '2026-11-22T24:00:00Z'],
    ['timestamp_invalid', '2026-11-22T09:28:60Z'],
    ['timestamp_invalid', '2026-11-22T23:59:60Z'],
    ['timestamp_invalid', '2026-10-31T23:59:60Z'],
    ['timestamp_invalid', '2026-11-22T09:29:61Z'],
    ['timestamp_invalid', '2026-11-22T09:60:00Z'],
    ['timestamp_invalid', '2026-11-22T09:30:00+24:00'],
    ['timestamp_invalid', '2026-11-22T09:30:00.Z'],
    ['timestamp_invalid', null],
    ['timestamp_invalid', true],
  ])('is refused as %s: %j', (code, timestamp) => {
    expect(refused({ ...plain, timestamp }).code).toBe(code);
  });

  it('recognises milliseconds', () => {
    expect(refused({ ...plain, timestamp: nowMs }).message).toContain('looks like milliseconds');
  });

  // An event 1 s inside the 35 days was answered with 202, and refused by Stripe when its set was flushed a moment later.
  it('is refused while it could not reach Stripe in time, and says how old it may be', () => {
    const { code, message } = refused({ ...plain, timestamp: nowS - 35 * 86_400 + 1 });
    expect(code).toBe('timestamp_too_old');
    expect(message).toContain('from 35 days ago, less an hour for the way to Stripe');
  });
});

// The last instant of November was rounded to a millisecond and then to a second, and was billed as the first one of December.
describe('the last instant of a period', () => {
  const december = Date.UTC(2026, 11, 1) / 1000;
  const timeOf = (timestamp: unknown): number => {
    const event = validateEvent({ ...plain, timestamp }, { nowMs: december * 1000 + 1, newId: () => 'made' });
    if (event instanceof EventFault) throw new Error(event.message);
    return event.timestamp;
  };

  it.each([
    '2026-11-30T23:59:59.999Z',
    '2026-11-30T23:59:59.9995Z',
    '2026-11-30T23:59:59.999999Z',
    '2026-11-30T23:59:59.999999999Z',
    '2026-11-30T23:59:59.99999999999999999999Z',
    '2026-12-01T02:59:59.9999999+03:00',
    december - 0.0004,
    december - 0.000001,
    1796083199.9996,
    1796083199.999999,
  ])('stays in it: %j', (timestamp) => {
    expect(timeOf(timestamp)).toBe(1796083199.999);
  });

  it('is the first instant of the next one only when it is', () => {
    for (const timestamp of [december, '2026-12-01T00:00:00Z', '2026-12-01T00:00:00.0009Z'])
      expect(timeOf(timestamp)).toBe(december);
  });

  it('leaves every whole millisecond as it is, and cuts everything between two of them', () => {
    const ms = fc.integer({ min: december * 1000 - 30 * 86_400_000, max: december * 1000 });
    fc.assert(
      fc.property(ms, fc.integer({ min: 1, max: 999 }), (at, micros) => {
        expect(timeOf(at / 1000)).toBe(at / 1000);
        expect(timeOf(new Date(at).toISOString())).toBe(at / 1000);
        expect(timeOf(Number(`${Math.floor(at / 1000)}.${String(at % 1000).padStart(3, '0')}${micros}`))).toBe(
          at / 1000,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('is a leap second where one can be, which unix time does not have: the last millisecond of its day', () => {
    const at = (text: string): number | undefined => parseRfc3339(text);
    expect(at('2016-12-31T23:59:60Z')).toBe(Date.UTC(2017, 0, 1) - 1);
    expect(at('2016-12-31T23:59:60.75Z')).toBe(Date.UTC(2017, 0, 1) - 1);
    expect(at('2015-07-01T02:59:60+03:00')).toBe(Date.UTC(2015, 6, 1) - 1);
    expect(at('2016-12-31T15:59:60-08:00')).toBe(Date.UTC(2017, 0, 1) - 1);
    for (const text of [
      '2016-12-31T23:58:60Z',
      '2016-12-31T22:59:60Z',
      '2016-12-30T23:59:60Z',
      '2016-11-30T23:59:60Z',
      '2016-12-31T23:59:60+01:00',
      '2017-01-01T23:59:60Z',
    ])
      expect(at(text)).toBeUndefined();
    expect(refused({ ...plain, timestamp: '2026-11-22T09:28:60Z' }).message).toContain('no leap second');
  });
});
