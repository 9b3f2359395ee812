import { maxSignificantDigits, significantDigits } from '../decimal/decimal.ts';
import { EventFault, shown } from './event-fault.ts';
import { isRecord } from './fields.ts';

/** A bound on what is kept and sent; 15 digits with 48 zeros before them fit. */
export const valueCharsMax = 64;
export const decimalPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
const exponentPattern = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/;
const mayBe =
  'a number, or a string of the form -?(0|[1-9][0-9]*)(.[0-9]+)?, with at most 15 significant digits and 64 characters';

/**
 * A JSON number that no double holds exactly, as it was written: `JSON.parse` would have made another number of it.
 * It stands in the place of the value, and is refused there.
 */
export class InexactNumber {
  readonly written: string;
  /** Of its plain decimal form. */
  readonly digits: number;

  constructor(written: string, digits: number) {
    this.written = written;
    this.digits = digits;
  }
}

const fieldsShown = 6;

/** Stands in the place of a value that is not where it belongs, beside other fields: what counts 1 is an event without any. */
export class MissingValue {
  readonly where: string;
  readonly beside: unknown;

  /** `beside`: what was found where the value belongs. */
  constructor(where: string, beside: unknown) {
    this.where = where;
    this.beside = beside;
  }

  /** Names the fields that are there, so that a misspelt one is seen. */
  get got(): string {
    const { where, beside } = this;
    if (beside === undefined) return `nothing (there is no ${where})`;
    if (!isRecord(beside)) return `nothing (${where} is ${shown(beside)})`;
    const names = Object.keys(beside);
    if (names.length === 0) return `nothing (${where} is empty)`;
    const more = names.length > fieldsShown ? ` and ${names.length - fieldsShown} more` : '';
    return `nothing (${where} has ${names.slice(0, fieldsShown).map(shown).join(', ')}${more})`;
  }
}

/**
 * The exact decimal of an event's `value`: the text that was sent, except that every zero is `0`. A number is taken as
 * its shortest decimal form, which is what was written wherever that had at most 15 digits.
 */
export function readValue(value: unknown): string | EventFault {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return new EventFault('value_invalid', 'value', 'a number beyond 1.8e308', mayBe);
    return bounded(plainDecimal(value), value);
  }
  if (value instanceof InexactNumber) return inexact(value);
  if (value instanceof MissingValue) return new EventFault('value_missing', 'value', value.got, mayBe);
  if (typeof value !== 'string' || !decimalPattern.test(value)) {
    return new EventFault('value_invalid', 'value', shown(value), mayBe);
  }
  return bounded(value, value);
}

function bounded(text: string, given: unknown): string | EventFault {
  if (text.length > maxSignificantDigits || text.charCodeAt(0) === 0x30 || text.charCodeAt(0) === 0x2d) {
    const digits = significantDigits(text);
    if (digits === 0) return '0';
    if (digits > maxSignificantDigits) {
      return tooManyDigits(`${shown(given)} with ${digits} significant digits`, text);
    }
    if (text.length > valueCharsMax) {
      return new EventFault('value_invalid', 'value', `${shown(given)} of ${text.length} characters`, mayBe);
    }
  }
  return text;
}

function inexact({ written, digits }: InexactNumber): EventFault {
  const number = `the number ${written.length > 40 ? `${written.slice(0, 40)}…` : written}`;
  return digits > maxSignificantDigits
    ? tooManyDigits(`${number} with ${digits} significant digits`, written)
    : new EventFault('value_invalid', 'value', `${number}, which is too close to zero`, mayBe);
}

/** Says how to round, since it is mostly a float that has gone through a sum: 0.1 + 0.2 has 17 digits. */
function tooManyDigits(got: string, written: string): EventFault {
  const rounded = plainDecimal(Number(Number(written).toPrecision(maxSignificantDigits)));
  const fits = !/[a-z]/i.test(rounded) && significantDigits(rounded) <= maxSignificantDigits;
  const how = fits
    ? `Round it before it is sent, here to ${rounded}; in JavaScript Number(value.toPrecision(15))`
    : 'Meter a larger unit';
  return new EventFault(
    'value_too_many_digits',
    'value',
    got,
    `a decimal of at most ${maxSignificantDigits} significant digits, trailing zeros included. ${how}`,
  );
}

/** Exactly the decimal that `String` gives, without an exponent: `1e-7` is `0.0000001`. */
function plainDecimal(value: number): string {
  const text = String(value);
  const parts = text.includes('e') ? exponentPattern.exec(text) : null;
  if (parts === null) return text;
  const [, sign = '', first = '', fraction = '', exponent = '0'] = parts;
  const digits = first + fraction;
  const point = 1 + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  // Exponents are written from 1e21 on, and no double has that many digits: the point lies behind them.
  return sign + digits.padEnd(point, '0');
}
