import { maxSignificantDigits } from '../decimal/decimal.ts';
import { unixSecondsEnd } from './fields.ts';
import { InexactNumber } from './value.ts';

/** Nobody writes ASCII as an escape, but a key could hide behind one. */
const hidden = /\\u00[2-7]/;
const written = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Throws what `JSON.parse` throws. */
export type ExactParser = (text: string) => unknown;

/**
 * `JSON.parse`, except that two numbers are what was written, where a double would be something else: a usage value becomes an
 * `InexactNumber` (0.1000000000000000055 would be taken for 0.1), and a timestamp is cut to the millisecond before it is rounded
 * (1795426199.99999999 would be the next second). Looking at every number as it was written is several times slower, so that is
 * done only for a text in which one might be inexact. `valueKey` has letters, digits, `_` and `-` only.
 *
 * Of equal keys in one object the last one is taken, as by most parsers; `__proto__` is a key like any other.
 */
export function exactParser(valueKey: string): ExactParser {
  // A value of 16 digits or more, or with an exponent; a timestamp that is rounded up across a millisecond, or may be.
  const suspicious = new RegExp(
    `"(?:${valueKey}"\\s*:\\s*-?(?:[\\d.]{16}|[\\d.]{1,15}[eE])|timestamp"\\s*:\\s*[\\d.]*(?:\\.\\d{3}999|[eE]))`,
  );
  return (text): unknown => {
    if (!suspicious.test(text) && !hidden.test(text)) return JSON.parse(text);
    return JSON.parse(text, (key, value: unknown, context?: { readonly source?: string }) => {
      if (typeof value !== 'number') return value;
      if (key === valueKey) return exact(value, context?.source ?? '');
      return key === 'timestamp' ? cut(value, context?.source ?? '') : value;
    });
  };
}

export const parseExactly = exactParser('value');

function exact(value: number, source: string): number | InexactNumber {
  const digits = digitsOf(source);
  const underflow = value === 0 && digits > 0;
  return digits > maxSignificantDigits || underflow ? new InexactNumber(source, digits) : value;
}

/** Significant digits of the plain decimal form, trailing zeros included: `1.50e3` is 1500 and has four. */
function digitsOf(source: string): number {
  const [, whole = '', fraction = '', exponent = '0'] = written.exec(source) ?? [];
  const significant = (whole + fraction).replace(/^0+/, '').length;
  return significant === 0 ? 0 : significant + Math.max(0, Number(exponent) - fraction.length);
}

/** To the millisecond, of the digits that were written. What is no time that could be taken stays as it is. */
function cut(value: number, source: string): number {
  if (!(value >= 1 && value < unixSecondsEnd)) return value;
  const [, whole = '', fraction = '', exponent = '0'] = written.exec(source) ?? [];
  const digits = whole + fraction;
  const millisecondsEnd = whole.length + Number(exponent) + 3;
  return Number(digits.slice(0, millisecondsEnd).padEnd(millisecondsEnd, '0')) / 1000;
}
