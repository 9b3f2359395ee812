import { maxSignificantDigits } from '../../../../shared/decimal/decimal.ts';
import { InexactNumber } from '../../../../shared/event/value.ts';

/** A number under the key `value` that a double may not hold: 16 digits or more, or an exponent. */
const suspicious = /"value"\s*:\s*-?(?:[\d.]{16}|[\d.]{1,15}[eE])/;
/** Nobody writes an ASCII letter as an escape, but a key could hide behind one. */
const hidden = /\\u00[67]/;
const written = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * `JSON.parse`, except that a usage value which is not exactly the double that it becomes is an `InexactNumber`:
 * 0.1000000000000000055 would be taken for 0.1. Looking at every number as it was written is several times slower, so that is
 * done only for a text in which one might be inexact. Throws what `JSON.parse` throws.
 *
 * Of equal keys in one object the last one is taken, as by most parsers; `__proto__` is a key like any other.
 */
export function parseExactly(text: string): unknown {
  if (!suspicious.test(text) && !hidden.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown, context?: { readonly source?: string }) =>
    key === 'value' && typeof value === 'number' ? exact(value, context?.source ?? '') : value,
  );
}

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
