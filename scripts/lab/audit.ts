/**
 * Compares what is owed with what the provider holds, per customer and meter, exactly. Shares no code with what it
 * audits: its numbers are bigints of its own reading.
 */
import { z } from 'zod';
import { unitDigits } from './load/catalogue.ts';
import type { Owed } from './load/books.ts';

/** What the simulator holds (`GET /_sim/ledger`). */
export type Ledger = z.infer<typeof ledgerShape>;

const ledgerShape = z.object({
  /** Meter events that were accepted. */
  events: z.number(),
  duplicates: z.number(),
  throttled: z.number(),
  totals: z.array(z.object({ customer: z.string(), event_name: z.string(), value: z.string(), events: z.number() })),
  /** Absent where the ledger does not count it. */
  conflicts: z.number().optional(),
  concurrencyViolations: z.number().optional(),
  refused: z.number().optional(),
  calls: z.number().optional(),
  peakPerSecond: z.number().optional(),
});

export interface Difference {
  readonly customer: string;
  readonly meter: string;
  /** Less or more than is owed; `wrong`: the newest value of a `last` meter is another one. */
  readonly kind: 'short' | 'over' | 'wrong';
  readonly owed: string;
  readonly billed: string;
}

export interface Verdict {
  /** Totals that were compared: one per customer and meter. */
  readonly compared: number;
  readonly differences: readonly Difference[];
  readonly perMeter: readonly MeterVerdict[];
}

export interface MeterVerdict {
  readonly meter: string;
  readonly formula: Owed['formula'];
  readonly customers: number;
  readonly events: number;
  /** Sums of all customers; of a `last` meter the sum of the newest values. */
  readonly owed: string;
  readonly billed: string;
  /** Meter events that the provider accepted for it. */
  readonly meterEvents: number;
  readonly differences: number;
}

const ledgerTimeoutMs = 30_000;

/** The ledger of the simulator at `base`; without its totals it is small, and only its counts are to be read. */
export async function fetchLedger(base: string, withTotals: boolean): Promise<Ledger> {
  const url = `${base}/_sim/ledger${withTotals ? '' : '?totals=false'}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(ledgerTimeoutMs) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: is that a simulator?`);
  return readLedger(await response.json());
}

/** A ledger that came another way. Throws for what is none. */
export function readLedger(answer: unknown): Ledger {
  return ledgerShape.parse(answer);
}

/** Digits behind the point in which amounts are compared; nobody sends more. */
const auditDigits = 12;

interface MeterSums {
  readonly formula: Owed['formula'];
  customers: number;
  events: number;
  owed: bigint;
  billed: bigint;
  meterEvents: number;
  differences: number;
}

export function audit(everythingOwed: Iterable<Owed>, ledger: Ledger): Verdict {
  const unclaimed = new Map(ledger.totals.map((total) => [`${total.customer} ${total.event_name}`, total]));
  const meters = new Map<string, MeterSums>();
  const differences: Difference[] = [];
  let compared = 0;
  for (const { customer, meter, formula, units, events } of everythingOwed) {
    const total = unclaimed.get(`${customer} ${meter}`);
    unclaimed.delete(`${customer} ${meter}`);
    const owed = units * 10n ** BigInt(auditDigits - unitDigits);
    const billed = parseAmount(total?.value ?? '0');
    const sums = meters.get(meter) ?? openSums(formula);
    meters.set(meter, sums);
    compared += 1;
    sums.customers += 1;
    sums.events += events;
    sums.owed += owed;
    sums.billed += billed;
    sums.meterEvents += total?.events ?? 0;
    if (total !== undefined && owed === billed) continue;
    sums.differences += 1;
    const kind = formula === 'last' ? 'wrong' : billed > owed ? 'over' : 'short';
    differences.push({ customer, meter, kind, owed: formatAmount(owed), billed: total?.value ?? 'nothing' });
  }
  // What nobody sent must not be billed either.
  for (const { customer, event_name: meter, value } of unclaimed.values()) {
    differences.push({ customer, meter, kind: 'over', owed: 'nothing', billed: value });
  }
  const perMeter = [...meters].map(([meter, sums]) => ({
    ...sums,
    meter,
    owed: formatAmount(sums.owed),
    billed: formatAmount(sums.billed),
  }));
  return { compared, differences, perMeter };
}

function openSums(formula: Owed['formula']): MeterSums {
  return { formula, customers: 0, events: 0, owed: 0n, billed: 0n, meterEvents: 0, differences: 0 };
}

function parseAmount(text: string): bigint {
  const match = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
  const [, whole = '', fraction = ''] = match ?? [];
  if (match === null || fraction.length > auditDigits) {
    throw new Error(`the ledger holds the value ${JSON.stringify(text)}, which nobody can owe`);
  }
  return BigInt(whole + fraction.padEnd(auditDigits, '0'));
}

function formatAmount(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(auditDigits + 1, '0');
  const fraction = digits.slice(-auditDigits).replace(/0+$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -auditDigits)}${fraction === '' ? '' : `.${fraction}`}`;
}
