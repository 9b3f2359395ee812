import { addDecimals, formatDecimal, parseDecimal, type Decimal } from '../../../../shared/decimal/decimal.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { mergedBy } from '../meters/meter-fit.ts';
import { type MeterCatalog, meterOf } from '../meters/meter-list.ts';
import { unlistedRefusal } from '../meters/refusals.ts';
import type { Meter } from '../provider/provider.ts';

const hourMs = 3_600_000;
const totalVersion = '1';

/** Of which totals these entries are a part, each once. */
export function totalFields(entries: readonly Entry[]): string[] {
  return [...new Set(entries.map(fieldOf))];
}

function fieldOf({ windowStartMs, account = '', meter }: Entry): string {
  return `${Math.floor(windowStartMs / hourMs) * (hourMs / 1000)}/${account}/${meter}`;
}

/**
 * The period totals (invariant 2): what was counted per account, meter and UTC hour of the events' windows, field
 * `<hour, unix seconds>/<account>/<meter>`, value `1;<sum>;<events>;<entries>`. The sum is empty for meters whose
 * values do not add up. Answers the new values; `totals` holds those that were there before of all that the entries are a part of.
 */
export function addToTotals(
  totals: ReadonlyMap<string, string>,
  entries: readonly Entry[],
  catalog: MeterCatalog,
): Map<string, string> {
  const changed = new Map<string, { sum: Decimal | undefined; events: number; entries: number }>();
  for (const entry of entries) {
    const key = fieldOf(entry);
    const total = changed.get(key) ?? readTotal(totals.get(key));
    changed.set(key, total);
    const value = parseDecimal(entry.value);
    total.sum =
      !addsUp(entry, meterOf(catalog, entry)) || total.sum === undefined || value === undefined
        ? undefined
        : addDecimals(total.sum, value);
    total.events += entry.events;
    total.entries++;
  }
  const written = new Map<string, string>();
  for (const [key, { sum, events, entries: lines }] of changed) {
    const text = `${totalVersion};${sum === undefined ? '' : formatDecimal(sum)};${events};${lines}`;
    written.set(key, text);
  }
  return written;
}

/** By the meter that it was merged for: the name may have got another one while its set was counted. */
function addsUp(entry: Entry, meter: Meter | undefined): boolean {
  if (meter === undefined) {
    const { refusal, meterId } = entry;
    return refusal !== undefined && !refusal.startsWith(unlistedRefusal) && meterId === undefined;
  }
  if (entry.events === 1) return meter.formula !== 'last';
  const formula = mergedBy(entry, meter);
  return formula !== undefined && formula !== 'last';
}

function readTotal(text: string | undefined): { sum: Decimal | undefined; events: number; entries: number } {
  if (text === undefined) return { sum: { units: 0n, scale: 0 }, events: 0, entries: 0 };
  const [version, sum = '', events, entries] = text.split(';');
  if (version !== totalVersion) throw new Error(`The journal holds a total that this version cannot read: ${text}.`);
  return { sum: sum === '' ? undefined : parseDecimal(sum), events: Number(events), entries: Number(entries) };
}
