import type { FoundEntry } from '../../../shared/journal/entry-book.ts';
import type { EntryState } from '../../../shared/journal/entry-states.ts';

export interface EntryFilter {
  readonly states: ReadonlySet<EntryState>;
  /** Stands in the reason. */
  readonly reason?: string;
  readonly customer?: string;
  readonly meter?: string;
  readonly account?: string;
  readonly shard?: number;
  /** How long it has been in its state. */
  readonly olderThanMs?: number;
  readonly newerThanMs?: number;
}

/** `nowMs`: Redis' clock, as the times of the records. */
export function isWanted({ shard, state, record }: FoundEntry, filter: EntryFilter, nowMs: number): boolean {
  const { entry, reason, parkedAtMs } = record;
  const ageMs = nowMs - parkedAtMs;
  return (
    filter.states.has(state) &&
    (filter.reason === undefined || reason.includes(filter.reason)) &&
    (filter.customer === undefined || entry.customer === filter.customer) &&
    (filter.meter === undefined || entry.meter === filter.meter) &&
    (filter.account === undefined || entry.account === filter.account) &&
    (filter.shard === undefined || shard === filter.shard) &&
    (filter.olderThanMs === undefined || ageMs > filter.olderThanMs) &&
    (filter.newerThanMs === undefined || ageMs < filter.newerThanMs)
  );
}
