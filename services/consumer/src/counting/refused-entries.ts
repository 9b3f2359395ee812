import { maxSignificantDigits, splitDecimal, Sum } from '../../../../shared/decimal/decimal.ts';
import { laneName } from '../../../../shared/event/lane.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { dimensionsLeftOut } from '../meters/refusals.ts';

/**
 * Entries that are dead from the start are kept until somebody decides about them, and no call slows them down: one misspelt
 * meter could fill Redis within minutes. So a set with many of them has them merged, as far as is needed: first those of one hour,
 * then those of one customer, meter and hour, whatever their dimensions. Amounts and numbers of events stay exact.
 */
export type Draft = Omit<Entry, 'identifier'>;

export interface RefusedLimits {
  /** A set with no more of them has them all apart. */
  readonly apartMax: number;
  /** The longest window that an entry may have: what is merged is billed at its newest time when the meter comes. */
  readonly windowMaxMs: number;
  /** The window that needs no mention. */
  readonly windowMs: number;
}

export const refusedApartMax = 1_000;
/** With as many parked entries in a shard, refused ones are added up by the day (refused-sums.ts). */
export const refusedParkedMax = 20_000;

/** Of a set's entries; the others stay as they are. */
export function mergeRefused(drafts: readonly Draft[], limits: RefusedLimits): readonly Draft[] {
  const refused = drafts.filter(isRefusedSum);
  if (refused.length <= limits.apartMax) return drafts;
  const byWindow = merge(refused, limits, dimensionsName);
  const merged = byWindow.length <= limits.apartMax ? byWindow : merge(byWindow, limits, () => '');
  return [...drafts.filter((draft) => !isRefusedSum(draft)), ...merged];
}

/** A last value, which is bound to its meter, is no part of a sum. */
function isRefusedSum({ refusal, meterId }: Draft): boolean {
  return refusal !== undefined && meterId === undefined;
}

function merge(
  drafts: readonly Draft[],
  { windowMaxMs, windowMs }: RefusedLimits,
  nameOf: (dimensions: Draft['dimensions']) => string,
): readonly Draft[] {
  const groups = Map.groupBy(drafts, (draft) => {
    const startMs = Math.floor(draft.windowStartMs / windowMaxMs) * windowMaxMs;
    // A window that reaches beyond the longest one stays as it is.
    const isWhole = windowMaxMs % (draft.windowMs ?? windowMs) === 0;
    const window = isWhole ? `${startMs}` : `${draft.windowStartMs}+${draft.windowMs}`;
    return [laneName(draft), draft.refusal, window, nameOf(draft.dimensions)].join('\0');
  });
  return [...groups.values()].flatMap((group) => mergedOf(group, windowMaxMs, windowMs));
}

function mergedOf(group: readonly Draft[], windowMaxMs: number, windowMs: number): readonly Draft[] {
  const [first] = group;
  if (first === undefined) throw new Error('A group of refused entries has no entry.');
  if (group.length === 1) return group;
  const value = new Sum();
  for (const draft of group) value.add(draft.value);
  const { dimensions, refusal, windowMs: _, ...lane } = first;
  const areAlike = group.every((draft) => dimensionsName(draft.dimensions) === dimensionsName(dimensions));
  const draft = {
    ...lane,
    ...(areAlike && dimensions !== undefined ? { dimensions } : {}),
    timestamp: group.reduce((newest, { timestamp }) => Math.max(newest, timestamp), first.timestamp),
    ...widened(group, windowMaxMs, windowMs),
    refusal: areAlike ? (refusal ?? '') : `${refusal}${dimensionsLeftOut}`,
  };
  const events = group.reduce((sum, merged) => sum + merged.events, 0);
  // As long as the provider takes it, or a replay could never succeed. The first part carries the events.
  return splitDecimal(value.decimal(), maxSignificantDigits).map((part, index) => ({
    ...draft,
    value: part,
    events: index === 0 ? events : 0,
  }));
}

function widened(group: readonly Draft[], windowMaxMs: number, windowMs: number) {
  const [first] = group;
  if (
    first === undefined ||
    group.every((draft) => draft.windowStartMs === first.windowStartMs && draft.windowMs === first.windowMs)
  )
    return {
      windowStartMs: first?.windowStartMs ?? 0,
      ...(first?.windowMs === undefined ? {} : { windowMs: first.windowMs }),
    };
  return {
    windowStartMs: Math.floor(first.windowStartMs / windowMaxMs) * windowMaxMs,
    ...(windowMaxMs === windowMs ? {} : { windowMs: windowMaxMs }),
  };
}

export function dimensionsName(dimensions: Draft['dimensions']): string {
  if (dimensions === undefined) return '';
  return Object.keys(dimensions)
    .toSorted()
    .map((name) => `${name}\0${dimensions[name]}`)
    .join('\0');
}
