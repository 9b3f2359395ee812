import { Sum } from '../../../../shared/decimal/decimal.ts';
import { laneName } from '../../../../shared/event/lane.ts';
import { cutToMs } from '../../../../shared/event/timestamp.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { UnknownMeter } from '../meters/meter-knowledge.ts';
import { meterName } from '../meters/meter-list.ts';
import type { Meter } from '../provider/provider.ts';
import type { IdHash } from './dedup-table.ts';
import { SlotIdList } from './event-id.ts';

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
  /** Fixed when its first event is counted; others of the set may have another length. */
  readonly windowMs: number;
  readonly tally: Tally;
  /** Of the meter whose formula the tally follows; absent while events are kept apart. */
  readonly meterId: string | undefined;
  /** About what one entry of it takes in the journal. */
  readonly bytes: number;
  /** When its first event was counted, monotonic. */
  readonly countedAtMs: number;
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
 * Where a set ends, whatever is in flight: more could not be committed in one write, or only by stopping everything else. Entries
 * that are merged have a bound in bytes alone: to part them costs calls. A message enters whole, so a set is at most one larger.
 */
export interface SetBounds {
  /** Events that each become an entry of their own. */
  readonly each: number;
  readonly bytes: number;
}

export const setBounds: SetBounds = { each: 50_000, bytes: 128 * 1024 * 1024 };

/** Of an entry, beside its names, dimensions and window: identifier, value, times and the names of its fields. */
const entryBytes = 300;

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
  /** Events that are kept apart, and about how large all entries are. */
  #each = 0;
  #bytes = 0;
  /** When its oldest message was accepted by a sidecar, on Redis' clock. */
  oldestAcceptedMs = Number.POSITIVE_INFINITY;
  /** Since when it holds anything, monotonic. */
  heldSinceMs = Number.POSITIVE_INFINITY;
  /** Meters that the catalog did not have, by account and name. */
  readonly unknownMeters = new Map<string, UnknownMeter>();
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

  /**
   * Counts one fresh event. Its window follows from its own time, so late usage goes where it belongs. Answers the key
   * with its window, if the set did not have it yet.
   */
  count(
    event: UsageEvent,
    lane: OpenLane,
    windowMs: number,
    meter: Meter | undefined,
    nowMs: number,
  ): string | undefined {
    const timestampMs = cutToMs(event.timestamp);
    const windowStartMs = Math.floor(timestampMs / windowMs) * windowMs;
    let count = lane.last;
    let newKey: string | undefined;
    if (
      count?.windowStartMs !== windowStartMs ||
      count.windowMs !== windowMs ||
      !areSame(count.dimensions, event.dimensions) ||
      !isFor(count, meter)
    ) {
      const window = { windowStartMs, windowMs };
      let key = countKey(lane.name, window, event.dimensions);
      count = this.counts.get(key);
      if (count !== undefined && !isFor(count, meter)) {
        key += `\0${meter?.formula ?? 'each'}`;
        count = this.counts.get(key);
      }
      if (count === undefined) {
        newKey = key;
        count = newCount(event, window, meter, entryBytes + key.length, nowMs);
        this.counts.set(key, count);
        if (count.tally.kind !== 'each') this.#bytes += count.bytes;
      }
      lane.last = count;
    }
    if (meter === undefined) this.#unknown(event, nowMs);
    addTo(count, event.value, timestampMs);
    if (count.tally.kind === 'each') {
      this.#each++;
      this.#bytes += count.bytes;
    }
    this.events++;
    return newKey;
  }

  isFull({ each, bytes }: SetBounds): boolean {
    return this.#each >= each || this.#bytes >= bytes;
  }

  claimed(slot: number, id: IdHash): void {
    this.ids.add(slot, id);
  }

  #unknown({ account = '', meter }: UsageEvent, nowMs: number): void {
    const name = meterName(account, meter);
    const known = this.unknownMeters.get(name);
    if (known === undefined) this.unknownMeters.set(name, { account, meter, countedAtMs: nowMs, events: 1 });
    else known.events++;
  }
}

interface Window {
  readonly windowStartMs: number;
  readonly windowMs: number;
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

/** What was merged by one formula takes no event for another: the name may have got another meter meanwhile. */
function isFor({ tally }: Count, meter: Meter | undefined): boolean {
  return tally.kind === 'each' || tally.kind === meter?.formula;
}

function newCount(
  event: UsageEvent,
  window: Window,
  meter: Meter | undefined,
  bytes: number,
  countedAtMs: number,
): Count {
  return {
    account: event.account,
    customer: event.customer,
    meter: event.meter,
    dimensions: event.dimensions,
    ...window,
    tally: newTally(meter),
    meterId: meter?.formula === 'count' ? undefined : meter?.id,
    bytes,
    countedAtMs,
    events: 0,
    newestMs: Number.NEGATIVE_INFINITY,
  };
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
function countKey(laneName: string, { windowStartMs, windowMs }: Window, dimensions: Dimensions): string {
  let key = `${laneName}\0${windowStartMs}\0${windowMs}`;
  if (dimensions === undefined) return key;
  const names = Object.keys(dimensions);
  if (names.length > 1) names.sort();
  for (const name of names) key += `\0${name}\0${dimensions[name] ?? ''}`;
  return key;
}
