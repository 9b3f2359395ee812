/**
 * Exact decimals for usage values: never floats (style 9). A decimal is a whole number of units of 10^-scale.
 * Stripe takes at most 15 significant digits per value (docs.stripe.com, since 2026-04-22), counted from the first
 * digit that is not zero, trailing zeros included.
 */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

export const maxSignificantDigits = 15;

const decimalPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;

/** Reads `-?(0|[1-9]\d*)(\.\d+)?`; anything else is undefined. The number of digits is not limited here. */
export function parseDecimal(text: string): Decimal | undefined {
  if (!decimalPattern.test(text)) return undefined;
  const point = text.indexOf('.');
  if (point < 0) return { units: BigInt(text), scale: 0 };
  return { units: BigInt(text.slice(0, point) + text.slice(point + 1)), scale: text.length - point - 1 };
}

/** Digits from the first non-zero one on, trailing zeros included: `0.0120` has three, `0` none. */
export function significantDigits(text: string): number {
  let digits = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x30 || unit > 0x39) continue;
    if (digits > 0 || unit !== 0x30) digits++;
  }
  return digits;
}

export function addDecimals(left: Decimal, right: Decimal): Decimal {
  if (left.scale === right.scale) return { units: left.units + right.units, scale: left.scale };
  if (left.scale < right.scale) return addDecimals(right, left);
  return { units: left.units + right.units * 10n ** BigInt(left.scale - right.scale), scale: left.scale };
}

/** Shortest plain form: no exponent, no trailing zeros behind the point, no negative zero. */
export function formatDecimal(decimal: Decimal): string {
  const negative = decimal.units < 0n;
  const digits = (negative ? -decimal.units : decimal.units).toString().padStart(decimal.scale + 1, '0');
  const whole = digits.slice(0, digits.length - decimal.scale);
  const fraction = digits.slice(digits.length - decimal.scale).replace(/0+$/, '');
  const text = fraction === '' ? whole : `${whole}.${fraction}`;
  return negative && text !== '0' ? `-${text}` : text;
}

/**
 * Cuts a decimal into values of at most `maxDigits` significant digits that add up to it exactly. Whole parts of
 * `maxDigits` digits and more become several of the largest value there is, since trailing zeros count as digits;
 * what remains is cut from the left. Zero is one value, `0`.
 */
export function splitDecimal(decimal: Decimal, maxDigits: number): string[] {
  const sign = decimal.units < 0n ? -1n : 1n;
  const unit = 10n ** BigInt(decimal.scale);
  const largest = 10n ** BigInt(maxDigits) - 1n;
  const values: string[] = [];
  let rest = decimal.units * sign;
  while (rest / unit > largest) {
    values.push(formatDecimal({ units: largest * sign, scale: 0 }));
    rest -= largest * unit;
  }
  do {
    const piece = leadingPiece(rest, decimal.scale, maxDigits);
    values.push(formatDecimal({ units: piece * sign, scale: decimal.scale }));
    rest -= piece;
  } while (rest > 0n);
  return values;
}

/** The part of `units` that its first `maxDigits` significant digits hold. */
function leadingPiece(units: bigint, scale: number, maxDigits: number): bigint {
  const surplus = units.toString().length - maxDigits;
  // A whole part of at most maxDigits digits always leaves the surplus behind the point, where zeros can be dropped.
  if (surplus <= 0 || surplus > scale) return units;
  const step = 10n ** BigInt(surplus);
  return (units / step) * step;
}

/**
 * A running sum that stays a plain number of units as long as that is a safe integer, and becomes an exact decimal when it
 * is not. Counting is the hot path, and bigints are several times slower.
 */
export class Sum {
  #units = 0;
  #scale = 0;
  #exact: Decimal | undefined;

  /** Adds a value that `parseDecimal` reads; anything else is a programmer's mistake. */
  add(text: string): void {
    if (this.#exact === undefined && this.#addSmall(text)) return;
    const value = parseDecimal(text);
    if (value === undefined) throw new Error(`A usage value must be a plain decimal, got ${JSON.stringify(text)}.`);
    this.#exact = addDecimals(this.decimal(), value);
  }

  decimal(): Decimal {
    return this.#exact ?? { units: BigInt(this.#units), scale: this.#scale };
  }

  toString(): string {
    return formatDecimal(this.decimal());
  }

  /** False if the sum would not be a safe integer of units, or the text is not one of at most 15 digits. */
  #addSmall(text: string): boolean {
    let units = 0;
    let digits = 0;
    let point = -1;
    const start = text.charCodeAt(0) === 0x2d ? 1 : 0;
    for (let index = start; index < text.length; index++) {
      const digit = text.charCodeAt(index) - 0x30;
      if (digit >= 0 && digit <= 9) {
        units = units * 10 + digit;
        digits++;
      } else if (digit === -2 && point < 0 && digits > 0) {
        point = index;
      } else {
        return false;
      }
    }
    const scale = point < 0 ? 0 : text.length - point - 1;
    if (digits === 0 || digits > maxSignificantDigits || (scale === 0) !== point < 0) return false;
    const ownFactor = powersOfTen[Math.max(0, scale - this.#scale)];
    const factor = powersOfTen[Math.max(0, this.#scale - scale)];
    if (ownFactor === undefined || factor === undefined) return false;
    const own = this.#units * ownFactor;
    const added = (start === 1 ? -units : units) * factor;
    const sum = own + added;
    // Unless all three are safe, one of them may have been rounded.
    if (!Number.isSafeInteger(own) || !Number.isSafeInteger(added) || !Number.isSafeInteger(sum)) return false;
    this.#units = sum;
    this.#scale = Math.max(scale, this.#scale);
    return true;
  }
}

const powersOfTen = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
