import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventFault } from './event-fault.ts';
import { InexactNumber, readValue } from './value.ts';
import { exactParser, parseExactly } from './exact-json.ts';

const read = (number: string): string | EventFault =>
  readValue((parseExactly(`{"value":${number}}`) as { readonly value: unknown }).value);

/**
 * Slow and obvious: the plain decimal of a JSON number, by moving the point one place at a time. Undefined if it is not
 * to be taken.
 */
function reference(number: string): string | undefined {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e');
  const negative = mantissa.startsWith('-');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  if (Math.abs(Number(exponent)) > 400) return /[1-9]/.test(mantissa) ? undefined : '0';
  let digits = whole + fraction;
  let places = fraction.length;
  for (let left = Number(exponent); left > 0; left--) {
    if (places > 0) places--;
    else digits += '0';
  }
  for (let left = Number(exponent); left < 0; left++) places++;
  digits = digits.padStart(places + 1, '0');
  const significant = digits.replace(/^0+/, '');
  if (significant === '') return '0';
  if (significant.length > 15) return undefined;
  const point = digits.length - places;
  const behind = digits.slice(point).replace(/0+$/, '');
  const plain = digits.slice(0, point).replace(/^0+(?=\d)/, '') + (behind === '' ? '' : `.${behind}`);
  return plain.length + (negative ? 1 : 0) > 64 ? undefined : (negative ? '-' : '') + plain;
}

describe('parseExactly', () => {
  it.each([
    '0.1000000000000000055',
    '1.000000000000000',
    '1234567890.123456',
    '9007199254740993',
    '1e15',
    '0.0000000000000000012345678901234567',
    '1e400',
    '-1e400',
    '1e-400',
    '1e-324',
    '1E999999999999999999999',
    '-1e-999999999999999999999',
  ])('lets %s be refused', (number) => {
    expect(read(number)).toBeInstanceOf(EventFault);
  });

  it.each([
    ['0.1', '0.1'],
    ['123456789012345', '123456789012345'],
    ['0.000000000000000123', '0.000000000000000123'],
    ['1e14', '100000000000000'],
    ['1.5E3', '1500'],
    ['12e-3', '0.012'],
    ['-0', '0'],
    ['-0.0e5', '0'],
    ['0e999999999999999999', '0'],
    ['0.0000000000000000000', '0'],
  ])('takes %s as %s', (number, value) => {
    expect(read(number)).toBe(value);
  });

  it('takes every number that the obvious way takes, as the same decimal, and no other', () => {
    const digits = (max: number) => fc.string({ unit: fc.nat(9).map(String), minLength: 1, maxLength: max });
    const whole = fc.oneof(
      fc.constant('0'),
      digits(18).map((text) => text.replace(/^0+(?=.)/, '')),
    );
    const number = fc
      .tuple(
        fc.constantFrom('', '-'),
        whole,
        fc.option(digits(20), { nil: undefined }),
        fc.option(fc.integer({ min: -340, max: 340 }), { nil: undefined }),
        fc.constantFrom('e', 'E', 'e+'),
      )
      .map(([sign, before, after, exponent, letter]) => {
        const suffix = exponent === undefined ? '' : exponent < 0 ? `e${exponent}` : `${letter}${exponent}`;
        return `${sign}${before}${after === undefined ? '' : `.${after}`}${suffix}`;
      });
    fc.assert(
      fc.property(number, (text) => {
        const value = read(text);
        expect(value instanceof EventFault ? undefined : value).toBe(reference(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['spaces', '{"value" :\n\t0.1000000000000000055}'],
    ['an escaped key', '{"v\\u0061lue":0.1000000000000000055}'],
    ['a key that is all escapes', '{"\\u0076\\u0061\\u006c\\u0075\\u0065":0.1000000000000000055}'],
    ['an event further back', `[{"value":1},{"value":0.1000000000000000055}]`],
  ])('is not deceived by %s', (_, text) => {
    const parsed = parseExactly(text);
    const event = (Array.isArray(parsed) ? parsed.at(-1) : parsed) as { readonly value: unknown };
    expect(readValue(event.value)).toBeInstanceOf(EventFault);
  });

  it('is JSON.parse for everything else', () => {
    const texts = [
      '{"timestamp":1795426200.2501234567,"id":"12345678901234567890"}',
      '{"value":"0.1000000000000000055"}',
      '[{"value":1e3,"a":{"b":[1,2,{"value":null}]}}]',
      '{"a":1,"a":2}',
    ];
    for (const text of texts) expect(parseExactly(text)).toEqual(JSON.parse(text));
  });

  // A double has no room for what is less than 0.12 µs before a second: JSON.parse made the next second, and month, of it.
  it.each([
    ['1796083199.99999999', 1796083199.999],
    ['1796083199.9999999999999999999999', 1796083199.999],
    ['1796083199.12399999999999', 1796083199.123],
    ['1.79608319999999999e9', 1796083199.999],
    ['179608319999999999999.999E-11', 1796083199.999],
    ['1796083199.999', 1796083199.999],
    ['1796083200.000999', 1796083200],
    ['1796083200', 1796083200],
  ])('cuts the timestamp %s before it is rounded', (text, seconds) => {
    expect(parseExactly(`{"timestamp": ${text}}`)).toEqual({ timestamp: seconds });
    expect(parseExactly(`{"time\\u0073tamp":${text},"value":1e3}`)).toEqual({ timestamp: seconds, value: 1000 });
  });

  it.each(['-1795426200.99999999', '0e999999999999', '1e400', '0.0000000001e-5', '99999999999.999e3'])(
    'leaves %s alone, which is no time of usage',
    (text) => {
      expect(parseExactly(`{"timestamp":${text}}`)).toEqual(JSON.parse(`{"timestamp":${text}}`));
    },
  );

  it('looks at the key that the value has', () => {
    const parse = exactParser('total-tokens_2');
    for (const key of ['total-tokens_2', 'total\\u002dtokens\\u005f\\u0032'])
      expect(parse(`{"${key}":0.1000000000000000055}`)).toEqual({
        'total-tokens_2': new InexactNumber('0.1000000000000000055', 19),
      });
    expect(parse('{"value":0.1000000000000000055}')).toEqual({ value: 0.1 });
  });

  it('takes __proto__ for a key, on both ways', () => {
    for (const more of ['', ',"value":1e3']) {
      const parsed = parseExactly(`{"__proto__":{"polluted":1}${more}}`) as Record<string, unknown>;
      expect(Object.keys(parsed)).toContain('__proto__');
      expect(parsed['polluted']).toBeUndefined();
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('takes the last of equal keys, on both ways', () => {
    expect(parseExactly('{"value":1,"value":2}')).toEqual({ value: 2 });
    expect(parseExactly('{"value":0.1000000000000000055,"value":2}')).toEqual({ value: 2 });
  });

  it('throws on nesting that is too deep to look at number by number, and ends', () => {
    const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
    expect(() => parseExactly(`[${deep},{"value":1e3}]`)).toThrow();
  });
});
