/**
 * Exact amounts, written for the checker alone: it must not share a fault with the code under test. An amount is a whole number of
 * 10^-30, enough for every value that the simulated clients send.
 */
const places = 30;

export function amountOf(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) throw new Error(`The checker cannot read the value ${text}.`);
  const [, sign = '', whole = '', fraction = ''] = match;
  if (fraction.length > places) throw new Error(`The checker takes ${places} decimal places, ${text} has more.`);
  const amount = BigInt(whole + fraction.padEnd(places, '0'));
  return sign === '-' ? -amount : amount;
}

export function amountText(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -places)}${fraction === '' ? '' : `.${fraction}`}`;
}
