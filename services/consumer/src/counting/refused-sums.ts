import { hash } from 'node:crypto';
import { maxSignificantDigits, splitDecimal, Sum } from '../../../../shared/decimal/decimal.ts';
import { laneName } from '../../../../shared/event/lane.ts';
import type { Addition, Entry, ParkedEntry, SumsAnswer } from '../../../../shared/journal/journal.ts';
import { dimensionsLeftOut, timesLeftOut, unlistedRefusal } from '../meters/refusals.ts';
import { dimensionsName } from './refused-entries.ts';

/**
 * A misspelt meter fills Redis with every set, for as long as nobody looks: one entry per customer and window. So what was never sent
 * is added to an entry that is parked already, of the same customer, meter and reason:
 *
 *   entries parked in the shard   added up
 *   up to 1,000                   not at all
 *   up to 20,000                  within an hour, the longest window, and with equal dimensions
 *   up to 40,000                  within a day, whatever their dimensions
 *   beyond                        within 35 days: a person may replay it, but nobody else does, since its time is that of the newest
 *
 * So a shard keeps little more than 40,000 of them, and one per lane and month. Amounts and numbers of events stay exact. A sum that
 * would be longer than the provider takes is begun anew.
 */
export interface SumLimits {
  /** The window that needs no mention. */
  readonly windowMs: number;
  readonly windowMaxMs: number;
  /** So many entries may be parked before any are added up. */
  readonly apartMax: number;
  /** … before they are added up by the day; twice as many, and they are whatever their time. */
  readonly parkedMax: number;
}

const spans = ['hour', 'day', 'month'] as const;
type Span = (typeof spans)[number];

const dayMs = 24 * 3_600_000;
/** As old as usage may be. */
const monthDays = 35;

/** Dead from the start, and a part of a sum: a last value, which is bound to its meter, is none. */
export function isAddable({ entry, state, reason, attempts, history }: ParkedEntry): boolean {
  const isUntouched = state === 'dead' && attempts === 0 && history === undefined;
  return isUntouched && entry.meterId === undefined && reason === entry.refusal;
}

/** Under which of these the journal may have something that they are added to. */
export function sumKeys(addable: readonly ParkedEntry[], limits: SumLimits): string[] {
  return [...new Set(addable.flatMap(({ entry }) => spans.map((span) => keyOf(summandOf(entry, span, limits)))))];
}

/** How they are parked: as they are, or added up. */
export function addUp(
  addable: readonly ParkedEntry[],
  { parked, sums }: Pick<SumsAnswer & { answer: 'ok' }, 'parked' | 'sums'>,
  limits: SumLimits,
): { readonly apart: readonly ParkedEntry[]; readonly additions: readonly Addition[] } {
  const span = spanOf(parked, addable.length, limits);
  if (span === undefined) return { apart: addable, additions: [] };
  const ended: Addition[] = [];
  const open = new Map<string, Addition>();
  for (const record of addable) {
    const summand = summandOf(record.entry, span, limits);
    const key = keyOf(summand);
    const before = open.get(key);
    const found = before === undefined ? sums.get(key) : undefined;
    const known =
      found !== undefined && isAddable(found.record) && summandOf(found.record.entry, span, limits) === summand;
    const addition =
      before === undefined
        ? begun(key, record, known ? { ...found, sum: found.record } : undefined, span, limits)
        : added(before, record, span, limits);
    if (addition === undefined && before !== undefined) ended.push(before);
    open.set(key, addition ?? { key, own: record });
  }
  return { apart: [], additions: [...ended, ...open.values()] };
}

function spanOf(parked: number, fresh: number, { apartMax, parkedMax }: SumLimits): Span | undefined {
  if (parked + fresh <= apartMax) return undefined;
  if (parked < parkedMax) return 'hour';
  return parked < 2 * parkedMax ? 'day' : 'month';
}

function begun(key: string, own: ParkedEntry, to: Addition['to'], span: Span, limits: SumLimits): Addition | undefined {
  if (to === undefined) return { key, own };
  const sum = sumOf(to.sum, own, span, limits);
  return sum === undefined ? undefined : { key, to: { ...to, sum }, own };
}

/** Undefined: it would be longer than the provider takes. */
function added({ key, to, own }: Addition, record: ParkedEntry, span: Span, limits: SumLimits): Addition | undefined {
  const alone = sumOf(own, record, span, limits);
  if (alone === undefined) return undefined;
  if (to === undefined) return { key, own: alone };
  const sum = sumOf(to.sum, record, span, limits);
  return sum === undefined ? undefined : { key, to: { ...to, sum }, own: alone };
}

/** Keeps the identifier of the first, and the newest time: the provider is told no time before an event's. */
function sumOf(into: ParkedEntry, record: ParkedEntry, span: Span, limits: SumLimits): ParkedEntry | undefined {
  const value = new Sum();
  value.add(into.entry.value);
  value.add(record.entry.value);
  const [exact, ...more] = splitDecimal(value.decimal(), maxSignificantDigits);
  if (exact === undefined || more.length > 0) return undefined;
  const { dimensions, windowMs, refusal: _, ...rest } = into.entry;
  const [left, right] = [partsOf(into.entry), partsOf(record.entry)];
  const sameDimensions = dimensionsName(dimensions) === dimensionsName(record.entry.dimensions);
  const hasDimensions = sameDimensions && !left.hasNoDimensions && !right.hasNoDimensions;
  const { windowStartMs } = rest;
  const sameWindow = windowStartMs === record.entry.windowStartMs && windowMs === record.entry.windowMs;
  const hasNoTimes = left.hasNoTimes || right.hasNoTimes || (span === 'month' && !sameWindow);
  const reason = `${left.cause}${hasNoTimes ? timesLeftOut : ''}${hasDimensions ? '' : dimensionsLeftOut}`;
  const entry: Entry = {
    ...rest,
    ...(hasDimensions && dimensions !== undefined ? { dimensions } : {}),
    value: exact,
    timestamp: Math.max(rest.timestamp, record.entry.timestamp),
    ...(sameWindow ? { windowStartMs, ...(windowMs === undefined ? {} : { windowMs }) } : windowOf(rest, span, limits)),
    events: rest.events + record.entry.events,
    refusal: reason,
  };
  return { ...into, entry, reason, parkedAtMs: Math.max(into.parkedAtMs, record.parkedAtMs) };
}

/** The refusal, without what was left out of its usage. */
function partsOf({ refusal = '' }: Entry): { cause: string; hasNoDimensions: boolean; hasNoTimes: boolean } {
  const hasNoDimensions = refusal.endsWith(dimensionsLeftOut);
  const rest = hasNoDimensions ? refusal.slice(0, -dimensionsLeftOut.length) : refusal;
  const hasNoTimes = rest.endsWith(timesLeftOut);
  return { cause: hasNoTimes ? rest.slice(0, -timesLeftOut.length) : rest, hasNoDimensions, hasNoTimes };
}

/** What all that may be added up has in common. */
function summandOf(entry: Entry, span: Span, limits: SumLimits): string {
  const { cause, hasNoDimensions } = partsOf(entry);
  // Why a list could not be read varies; that it could not does not.
  const code = cause.startsWith(unlistedRefusal) ? unlistedRefusal : cause;
  const { windowStartMs } = windowOf(entry, span, limits);
  const isWhole = lengthOf(span, limits) % (entry.windowMs ?? limits.windowMs) === 0;
  const window = isWhole ? `${windowStartMs}` : `${entry.windowStartMs}+${entry.windowMs}`;
  const dimensions = span === 'hour' ? `${hasNoDimensions} ${dimensionsName(entry.dimensions)}` : '';
  return [span, laneName(entry), code, window, dimensions].join('\0');
}

/** 128 bits of it, which no two of a journal share. */
function keyOf(summand: string): string {
  return hash('sha256', summand, 'base64url').slice(0, 22);
}

function windowOf({ windowStartMs }: Pick<Entry, 'windowStartMs'>, span: Span, limits: SumLimits) {
  const lengthMs = lengthOf(span, limits);
  return {
    windowStartMs: Math.floor(windowStartMs / lengthMs) * lengthMs,
    ...(lengthMs === limits.windowMs ? {} : { windowMs: lengthMs }),
  };
}

/** Whole ones of the longest window, so that each is a part of the next. */
function lengthOf(span: Span, { windowMaxMs }: SumLimits): number {
  if (span === 'hour') return windowMaxMs;
  const day = windowMaxMs * Math.ceil(dayMs / windowMaxMs);
  return span === 'day' ? day : monthDays * day;
}
