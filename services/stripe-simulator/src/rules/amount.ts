/**
 * Exact amounts: a whole number of units of 10^-scale. Written for the simulator alone: the ledger is what the
 * consumer is audited against, so it must not share the consumer's arithmetic.
 */
export interface Amount {
  readonly units: bigint;
  readonly scale: number;
}

export const zero: Amount = { units: 0n, scale: 0 };

const shape = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Reads `-?\d+(\.\d+)?`; anything else is undefined. */
export function parseAmount(text: string): Amount | undefined {
  const match = shape.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  return { units: BigInt(sign + whole + fraction), scale: fraction.length };
}

/** Digits from the first that is not zero, trailing zeros included (Stripe takes 15 since 2026-04-22). */
export function digitsOf(text: string): number {
  return text.replace(/^[-0.]+/, '').replace('.', '').length;
}

export function add(left: Amount, right: Amount): Amount {
  // Most lanes have one event: they then share its amount.
  if (left === zero) return right;
  const scale = Math.max(left.scale, right.scale);
  return { units: unitsAt(left, scale) + unitsAt(right, scale), scale };
}

export function subtract(left: Amount, right: Amount): Amount {
  return add(left, { units: -right.units, scale: right.scale });
}

function unitsAt(amount: Amount, scale: number): bigint {
  return amount.scale === scale ? amount.units : amount.units * 10n ** BigInt(scale - amount.scale);
}

/** The shortest plain form: no exponent, no trailing zeros behind the point, no negative zero. */
export function format(amount: Amount): string {
  let { units, scale } = amount;
  while (scale > 0 && units % 10n === 0n) {
    units /= 10n;
    scale -= 1;
  }
  if (scale === 0) return units.toString();
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
