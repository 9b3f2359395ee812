import { Sum } from '../../../../shared/decimal/decimal.ts';
import { laneName } from '../../../../shared/event/lane.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Meter } from '../provider/provider.ts';
import type { IdHash } from './dedup-table.ts';
import { SlotIdList } from './event-id.ts';

/** The meters as the provider listed them; a meter that is not in it did not exist at `askedAtMs` (monotonic). */
export interface MeterCatalog {
  readonly meters: ReadonlyMap<string, Meter>;
  readonly askedAtMs: number;
}

/** What one key has used in one window. `each` keeps events apart: count meters, and meters not known (yet). */
export type Tally =
  | { readonly kind: 'sum'; readonly sum: Sum }
  | { readonly kind: 'last'; value: string }
  | { readonly kind: 'each'; readonly values: { readonly value: string; readonly timestampMs: number }[] };

export interface Count {
  readonly account: string | undefined;
  readonly customer: string;
  readonly meter: string;
  readonly dimensions: Readonly<Record<string, string>> | undefined;
  readonly windowStartMs: number;
  readonly tally: Tally;
  events: number;
  newestMs: number;
}

/** A lane that the set has met. Looked up once per event, and without building its name. */
export interface OpenLane {
  readonly account: string | undefined;
  readonly meter: string;
  readonly name: string;
  /** What was counted last: usually the next event of a lane has the same window and dimensions. */
  last: Count | undefined;
}

/**
 * What a shard has counted since it last sealed: counts by key and window, the ids it claimed, and how old and how
 * large it is. It dies with its channel; nothing in it was promised to anybody.
 */
export class OpenSet {
  readonly counts = new Map<string, Count>();
  readonly ids = new SlotIdList();
  /** Messages whose cursor this set holds; a message of duplicates only counts here too. */
  messages = 0;
  /** Events counted, duplicates left out. */
  events = 0;
  /** When its oldest message was accepted by a sidecar, on Redis' clock. */
  oldestAcceptedMs = Number.POSITIVE_INFINITY;
  /** Since when it holds anything, monotonic. */
  heldSinceMs = Number.POSITIVE_INFINITY;
  /** Meters that the catalog did not have, and when the first event of their newest count was counted, monotonic. */
  readonly unknownMeters = new Map<string, number>();
  /** By customer, who has few. */
  readonly #lanes = new Map<string, OpenLane[]>();

  takeMessage(acceptedAtMs: number, nowMs: number): void {
    this.messages++;
    this.oldestAcceptedMs = Math.min(this.oldestAcceptedMs, acceptedAtMs);
    this.heldSinceMs = Math.min(this.heldSinceMs, nowMs);
  }

  laneOf(event: UsageEvent): OpenLane {
    const { account, customer, meter } = event;
    let lanes = this.#lanes.get(customer);
    if (lanes === undefined) {
      lanes = [];
      this.#lanes.set(customer, lanes);
    }
    for (const lane of lanes) if (lane.meter === meter && lane.account === account) return lane;
    const lane: OpenLane = { account, meter, name: laneName(event), last: undefined };
    lanes.push(lane);
    return lane;
  }

  /** Counts one fresh event. Its window follows from its own time, so late usage goes where it belongs. */
  count(event: UsageEvent, lane: OpenLane, windowMs: number, meter: Meter | undefined, nowMs: number): void {
    const timestampMs = Math.round(event.timestamp * 1000);
    const windowStartMs = Math.floor(timestampMs / windowMs) * windowMs;
    let count = lane.last;
    if (count?.windowStartMs !== windowStartMs || !areSame(count.dimensions, event.dimensions)) {
      count = this.#countOf(event, lane, windowStartMs, meter, nowMs);
      lane.last = count;
    }
    addTo(count, event.value, timestampMs);
    this.events++;
  }

  claimed(slot: number, id: IdHash): void {
    this.ids.add(slot, id);
  }

  #countOf(event: UsageEvent, lane: OpenLane, windowStartMs: number, meter: Meter | undefined, nowMs: number): Count {
    const key = countKey(lane.name, windowStartMs, event.dimensions);
    let count = this.counts.get(key);
    if (count === undefined) {
      count = {
        account: event.account,
        customer: event.customer,
        meter: event.meter,
        dimensions: event.dimensions,
        windowStartMs,
        tally: newTally(meter),
        events: 0,
        newestMs: Number.NEGATIVE_INFINITY,
      };
      this.counts.set(key, count);
      if (meter === undefined) this.unknownMeters.set(event.meter, nowMs);
    }
    return count;
  }
}

type Dimensions = Readonly<Record<string, string>> | undefined;

/** True only if they are the same; of those that are the same, some may be told apart: `countKey` has the last word. */
function areSame(left: Dimensions, right: Dimensions): boolean {
  if (left === undefined || right === undefined) return left === right;
  let surplus = 0;
  for (const name in left) {
    // What both inherit is no string, so an equal string is their own.
    if (left[name] !== right[name]) return false;
    surplus++;
  }
  for (const _ in right) surplus--;
  return surplus === 0;
}

function newTally(meter: Meter | undefined): Tally {
  switch (meter?.formula) {
    case 'sum':
      return { kind: 'sum', sum: new Sum() };
    case 'last':
      return { kind: 'last', value: '0' };
    case 'count':
    case undefined:
      return { kind: 'each', values: [] };
  }
}

function addTo(count: Count, value: string, timestampMs: number): void {
  const { tally } = count;
  switch (tally.kind) {
    case 'sum':
      tally.sum.add(value);
      break;
    case 'last':
      if (timestampMs >= count.newestMs) tally.value = value;
      break;
    case 'each':
      tally.values.push({ value, timestampMs });
      break;
  }
  count.events++;
  count.newestMs = Math.max(count.newestMs, timestampMs);
}

/** Unambiguous, since no part can contain NUL. */
function countKey(laneName: string, windowStartMs: number, dimensions: Dimensions): string {
  let key = `${laneName}\0${windowStartMs}`;
  if (dimensions === undefined) return key;
  const names = Object.keys(dimensions);
  if (names.length > 1) names.sort();
  for (const name of names) key += `\0${name}\0${dimensions[name] ?? ''}`;
  return key;
}
