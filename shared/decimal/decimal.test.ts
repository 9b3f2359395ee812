import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDecimals, formatDecimal, parseDecimal, significantDigits, splitDecimal, Sum } from './decimal.ts';

function decimal(text: string) {
  const parsed = parseDecimal(text);
  if (parsed === undefined) throw new Error(`not a decimal: ${text}`);
  return parsed;
}

const decimals = fc
  .record({ units: fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), scale: fc.integer({ min: 0, max: 30 }) })
  .map((value) => formatDecimal(value));

describe('parseDecimal', () => {
  it.each(['', '-', '01', '.5', '5.', '1e3', '+1', ' 1', '1 ', '0x10', 'NaN', '--1', '1_000'])('refuses %j', (text) => {
    expect(parseDecimal(text)).toBeUndefined();
  });
  it.each([
    ['0', '0'],
    ['-0', '0'],
    ['-0.00', '0'],
    ['1.500', '1.5'],
    ['100', '100'],
    ['0.000001', '0.000001'],
    ['-12.34', '-12.34'],
  ])('reads %s and writes %s', (text, written) => {
    expect(formatDecimal(decimal(text))).toBe(written);
  });
});

describe('significantDigits', () => {
  it.each([
    ['0', 0],
    ['0.0120', 3],
    ['-100', 3],
    ['123456789012345', 15],
    ['0.10000000000000001', 17],
  ])('%s has %i', (text, digits) => {
    expect(significantDigits(text)).toBe(digits);
  });
});

describe('addDecimals', () => {
  it('adds what floats get wrong', () => {
    expect(formatDecimal(addDecimals(decimal('0.1'), decimal('0.2')))).toBe('0.3');
  });
  it('is exact and commutative', () => {
    fc.assert(
      fc.property(decimals, decimals, (left, right) => {
        const sum = addDecimals(decimal(left), decimal(right));
        expect(formatDecimal(sum)).toBe(formatDecimal(addDecimals(decimal(right), decimal(left))));
        const back = addDecimals(
          sum,
          decimal(right === '0' ? '0' : right.startsWith('-') ? right.slice(1) : `-${right}`),
        );
        expect(formatDecimal(back)).toBe(left);
      }),
    );
  });
});

describe('splitDecimal', () => {
  it.each([
    ['0', ['0']],
    ['999999999999999', ['999999999999999']],
    ['1000000000000000', ['999999999999999', '1']],
    ['-1000000000000000', ['-999999999999999', '-1']],
    ['1.000000000000001', ['1', '0.000000000000001']],
    ['123456789012345.678', ['123456789012345', '0.678']],
  ])('cuts %s into %j', (text, values) => {
    expect(splitDecimal(decimal(text), 15)).toEqual(values);
  });
  it('gives values of at most 15 digits that add up', () => {
    const bounded = fc
      .record({ units: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), scale: fc.integer({ min: 0, max: 40 }) })
      .map((value) => formatDecimal(value));
    fc.assert(
      fc.property(bounded, (text) => {
        const values = splitDecimal(decimal(text), 15);
        for (const value of values) expect(significantDigits(value)).toBeLessThanOrEqual(15);
        expect(formatDecimal(values.map(decimal).reduce(addDecimals))).toBe(text);
      }),
    );
  });
});

describe('Sum', () => {
  const small = fc
    .record({ units: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), scale: fc.integer({ min: 0, max: 17 }) })
    .map((value) => formatDecimal(value));

  it.each([
    { added: 'anything', values: fc.oneof(decimals, small, fc.integer().map(String)) },
    { added: 'what usually fits a number', values: fc.oneof(small, fc.integer().map(String)) },
  ])('is exact when $added is added, in any order', ({ values }) => {
    fc.assert(
      fc.property(fc.array(values), (texts) => {
        const sum = new Sum();
        for (const text of texts) sum.add(text);
        const expected = texts.map(decimal).reduce(addDecimals, { units: 0n, scale: 0 });
        expect(sum.toString()).toBe(formatDecimal(expected));
        expect(formatDecimal(sum.decimal())).toBe(sum.toString());
      }),
    );
  });
  it('keeps every digit when numbers of different scales meet at the edge of the safe integers', () => {
    for (const texts of [
      ['9007199254740.991', '0.001', '0.001'],
      ['900719925474099', '0.1', '-0.1', '0.01', '99999999999999.9'],
      ['0.000000000000001', '999999999999999', '-0.000000000000001'],
    ]) {
      const sum = new Sum();
      for (const text of texts) sum.add(text);
      expect(sum.toString()).toBe(formatDecimal(texts.map(decimal).reduce(addDecimals)));
    }
  });
  it('does not lose a unit beyond the safe integers', () => {
    const sum = new Sum();
    for (const text of ['999999999999999', '999999999999999', '9007199254740991', '1', '1']) sum.add(text);
    expect(sum.toString()).toBe('11007199254740991');
  });
  it('refuses what is not a decimal', () => {
    expect(() => new Sum().add('1e3')).toThrow('plain decimal');
    for (const text of ['', '-', '.', '.5', '5.', '1.2.3', '1,5', '--1']) {
      expect(() => new Sum().add(text)).toThrow('plain decimal');
    }
    expect(() => new Sum().add('0x1f')).toThrow('plain decimal');
  });
});
