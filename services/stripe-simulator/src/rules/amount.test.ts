import fc from 'fast-check';
import { expect, it } from 'vitest';
import { add, digitsOf, format, parseAmount, subtract, zero } from './amount.ts';

const sum = (texts: readonly string[]): string =>
  format(texts.map((text) => parseAmount(text) ?? expect.unreachable()).reduce(add, zero));

it('adds what floats cannot', () => {
  expect(sum(['0.1', '0.2'])).toBe('0.3');
  expect(sum(['9007199254740993', '0.000000000000001', '-9007199254740993'])).toBe('0.000000000000001');
});

it('adds in whatever order to the sum of the whole numbers behind the points', () => {
  const thousandths = fc.array(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), { minLength: 1 });
  fc.assert(
    fc.property(thousandths, (units) => {
      const texts = units.map((unit) => format({ units: unit, scale: 3 }));
      const expected = format({ units: units.reduce((left, right) => left + right, 0n), scale: 3 });
      expect(sum(texts)).toBe(expected);
      expect(sum(texts.toReversed())).toBe(expected);
    }),
  );
});

it('takes back what was added', () => {
  const [left = zero, right = zero] = ['12.5', '0.125'].map(parseAmount);
  expect(format(subtract(add(left, right), right))).toBe('12.5');
});

it.each([
  ['0', '0'],
  ['-0', '0'],
  ['0.00', '0'],
  ['-1.50', '-1.5'],
  ['100', '100'],
  ['-0.05', '-0.05'],
])('writes %s as %s', (text, shortest) => {
  expect(format(parseAmount(text) ?? expect.unreachable())).toBe(shortest);
});

it.each(['', '1.', '.5', '+1', '1e3', 'NaN', '1,5', ' 1', '0x1', '--1', '1.2.3', '١'])('does not read %j', (text) => {
  expect(parseAmount(text)).toBeUndefined();
});

it.each([
  ['0', 0],
  ['0.000', 0],
  ['0.0120', 3],
  ['-100', 3],
  ['1.50', 3],
  ['123456789012345', 15],
  ['1234567890123.456', 16],
])('counts in %s %i significant digits', (text, digits) => {
  expect(digitsOf(text)).toBe(digits);
});
