/** The meters of the load. Every value is a whole number of units of 10^-4, so that sums are exact. */
export const unitDigits = 4;
export const unitsPerOne = 10_000;

export type Formula = 'sum' | 'count' | 'last';

export interface LoadMeter {
  readonly name: string;
  readonly formula: Formula;
}

export const meters = [
  { name: 'api_calls', formula: 'sum' },
  { name: 'tokens', formula: 'sum' },
  { name: 'egress_gb', formula: 'sum' },
  { name: 'seats', formula: 'last' },
  { name: 'documents_signed', formula: 'count' },
] as const satisfies readonly LoadMeter[];

export const [apiCalls, tokens, egressGb, seats, documentsSigned] = [0, 1, 2, 3, 4] as const;

/** What the simulator's TALLYMAN_SIM_METERS takes. */
export const simulatorMeters = meters.map(({ name, formula }) => `${name}:${formula}`).join(',');

export function customerName(customer: number): string {
  return `cus_demo${String(customer).padStart(6, '0')}`;
}

/** `-?\d+(\.\d+)?` without trailing zeros, as a person would write it. */
export function formatUnits(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(unitDigits + 1, '0');
  const fraction = digits.slice(-unitDigits).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -unitDigits)}${fraction === '' ? '' : `.${fraction}`}`;
}
