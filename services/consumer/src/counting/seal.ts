import { maxSignificantDigits, splitDecimal, Sum, type Decimal } from '../../../../shared/decimal/decimal.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { shardName } from '../../../../shared/topology/names.ts';
import type { Unsure } from '../meters/meter-knowledge.ts';
import { type MeterCatalog, meterName, metersOf, unreadableOf } from '../meters/meter-list.ts';
import { refusalOf, unlisted } from '../meters/refusals.ts';
import type { Count } from './open-set.ts';
import { type Draft, mergeRefused, refusedApartMax } from './refused-entries.ts';

/** What makes an entry's identifier unique for ever (invariant 8). */
export interface SetIdentity {
  /** The window that needs no mention. */
  readonly windowMs: number;
  /** The longest window there may be; absent: there is one length only. */
  readonly windowMaxMs?: number;
  /** As many entries that are dead from the start are kept apart. */
  readonly refusedApartMax?: number;
  readonly incarnation: string;
  readonly shard: number;
  readonly set: number;
  readonly token: string;
}

/** One bill line before it has its identifier. */
interface Line {
  readonly value: string;
  readonly timestampMs: number;
  readonly events: number;
  /** For whose formula its events were merged, if they were. */
  readonly meterId?: string | undefined;
  readonly refusal?: string;
}

/**
 * Turns counts into the entries of a set, with identifier, value and timestamp fixed (invariant 1). How events of one
 * key merge is decided by the meter's formula: sums add up, of a `last` meter only the newest counts, the events of a
 * count meter each stay an entry of their own (docs.stripe.com/billing/subscriptions/usage-based).
 */
export function sealEntries(
  counts: Iterable<Count>,
  catalog: MeterCatalog,
  identity: SetIdentity,
  unsure: Unsure = noneUnsure,
): Entry[] {
  const { windowMs, windowMaxMs = windowMs, refusedApartMax: apartMax = refusedApartMax } = identity;
  const apart = [...counts].flatMap((count) =>
    linesOf(count, catalog, unsure).map((line) => draftOf(count, line, windowMs)),
  );
  const drafts = mergeRefused(apart, { apartMax, windowMaxMs, windowMs });
  const prefix = `tm1-${identity.incarnation}-${shardName(identity.shard)}-${identity.set}-${identity.token.slice(0, 8)}-`;
  return drafts.map((draft, index) => ({ identifier: `${prefix}${index}`, ...draft }));
}

function draftOf(count: Count, line: Line, windowMs: number): Draft {
  return {
    ...(count.account === undefined ? {} : { account: count.account }),
    customer: count.customer,
    meter: count.meter,
    ...(line.meterId === undefined || line.events === 1 ? {} : { meterId: line.meterId }),
    ...(count.dimensions === undefined ? {} : { dimensions: count.dimensions }),
    value: line.value,
    timestamp: Math.floor(line.timestampMs / 1000),
    windowStartMs: count.windowStartMs,
    ...(count.windowMs === windowMs ? {} : { windowMs: count.windowMs }),
    events: line.events,
    ...(line.refusal === undefined ? {} : { refusal: line.refusal }),
  };
}

const noneUnsure: Unsure = new Map();

function linesOf(count: Count, catalog: MeterCatalog, unsure: Unsure): Line[] {
  const { account, meter: name } = count;
  switch (unsure.get(meterName(account, name))) {
    case 'apart':
      return eachLine(count);
    case 'beyond':
      return refusedLines(count, unlisted(name, unreadableOf(catalog, account ?? '')?.reason));
    case undefined:
  }
  const list = metersOf(catalog, account);
  const meter = list?.meters.get(name);
  // What the account's meters are cannot be told, or only of the time before its first event: an event of its own
  // is right whatever the formula will turn out to be, and whether there is a meter shows when it is called.
  if (list === undefined || (meter === undefined && count.countedAtMs > list.askedAtMs)) return eachLine(count);
  const refusal = refusalOf(name, meter);
  if (meter === undefined || refusal !== undefined) return refusedLines(count, refusal ?? '');
  const { tally } = count;
  switch (tally.kind) {
    case 'sum':
      return split(tally.sum.decimal(), count, count.meterId);
    case 'last':
      return [lastLine(tally.value, count, count.meterId)];
    case 'each':
      // The meter was unknown when the events came, or must not be merged.
      switch (meter.formula) {
        case 'count':
          return eachLine(count);
        case 'sum':
          return split(total(tally.values), count, meter.id);
        case 'last':
          return [lastLine(newest(tally.values), count, meter.id)];
      }
  }
}

function eachLine(count: Count): Line[] {
  const { tally } = count;
  switch (tally.kind) {
    case 'each':
      return tally.values.map(({ value, timestampMs }) => ({ value, timestampMs, events: 1 }));
    // Its formula was known when it was counted, and the account was cut off since.
    case 'sum':
      return split(tally.sum.decimal(), count, count.meterId);
    case 'last':
      return [lastLine(tally.value, count, count.meterId)];
  }
}

function lastLine(value: string, { newestMs, events }: Count, meterId: string | undefined): Line {
  return { value, timestampMs: newestMs, events, meterId };
}

/** Dead from the start. Merged, since it is never sent. */
function refusedLines(count: Count, refusal: string): Line[] {
  const { tally } = count;
  const sum = (decimal: Decimal): Line[] => split(decimal, count, undefined).map((line) => ({ ...line, refusal }));
  switch (tally.kind) {
    case 'each':
      return sum(total(tally.values));
    case 'sum':
      return sum(tally.sum.decimal());
    // No sum, which a refused entry without a meter is taken for.
    case 'last':
      return [{ ...lastLine(tally.value, count, count.meterId), refusal }];
  }
}

/** The provider takes 15 digits; a longer sum becomes several entries that add up. The first one carries the events. */
function split(sum: Decimal, count: Count, meterId: string | undefined): Line[] {
  return splitDecimal(sum, maxSignificantDigits).map((value, index) => ({
    value,
    timestampMs: count.newestMs,
    events: index === 0 ? count.events : 0,
    meterId,
  }));
}

interface TimedValue {
  readonly value: string;
  readonly timestampMs: number;
}

function total(values: readonly TimedValue[]): Decimal {
  const sum = new Sum();
  for (const { value } of values) sum.add(value);
  return sum.decimal();
}

function newest(values: readonly TimedValue[]): string {
  return values.reduce((last, candidate) => (candidate.timestampMs >= last.timestampMs ? candidate : last)).value;
}
