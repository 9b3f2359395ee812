import { add, type Amount, format, subtract, zero } from './amount.ts';
import { laneOf } from './lanes.ts';
import { detached } from './memory.ts';
import type { MeterEvent } from './meter-event.ts';
import type { Meter } from './meters.ts';

export interface Counts {
  /** Meter events accepted, each counted once. */
  events: number;
  /** Meter events refused because their identifier was there already. */
  duplicates: number;
  /** 429s, of the limiter and of faults. */
  throttled: number;
  /** Other refused meter events: unknown customer, archived meter, too old, malformed. */
  refused: number;
  /** 409s: a call for a customer and meter while another was executed. */
  conflicts: number;
  /** Calls that arrived while the client itself still waited for another of the same customer and meter. */
  concurrencyViolations: number;
  /** Calls to the meter event endpoint, whatever became of them. */
  calls: number;
  /** Most of those in any sliding second. */
  peakPerSecond: number;
}

export interface Total {
  readonly customer: string;
  readonly event_name: string;
  readonly value: string;
  readonly events: number;
  /** Only of events that were sent with a `Stripe-Account`. */
  readonly account?: string;
}

export interface RecordedEvent {
  readonly customer: string;
  readonly event_name: string;
  readonly value: string;
  readonly identifier: string;
  readonly timestamp: number;
  readonly received: string;
  readonly account?: string;
}

/** One of the newest events, with what is needed to take it back. */
interface Recent {
  readonly row: Row;
  readonly identifier: string;
  readonly amount: Amount;
  readonly timestampS: number;
  readonly receivedMs: number;
  isCancelled: boolean;
}

interface Row {
  readonly lane: string;
  readonly account: string;
  readonly customer: string;
  readonly meter: Meter;
  events: number;
  /** Of `last`: the newest event's value. */
  amount: Amount;
  newestS: number;
  /** Of a meter with `event_time_window`: what stands in each window. */
  windows: Map<number, Amount> | undefined;
}

const recentMax = 10_000;
const dayMs = 86_400_000;
const windowSeconds = { hour: 3_600, day: 86_400 } as const;

/**
 * What Stripe would bill, exactly, per account, customer and meter, in memory that grows with the number of those and
 * not with the number of events. The newest 10,000 events are kept as they came, for a person to look at.
 *
 * The value of a total is: for `sum` the exact sum; for `count` the number of events; for `last` the value of the
 * newest event by its timestamp, of equals the one received last. With `event_time_window` an event overwrites its
 * UTC hour or day, and the value is the sum over those windows.
 */
export class Ledger {
  readonly counts: Counts = {
    events: 0,
    duplicates: 0,
    throttled: 0,
    refused: 0,
    conflicts: 0,
    concurrencyViolations: 0,
    calls: 0,
    peakPerSecond: 0,
  };
  readonly #rows = new Map<string, Row>();
  readonly #recent: Recent[] = [];

  get lanes(): number {
    return this.#rows.size;
  }

  /** Answers the event's lane, as the very text that is kept here anyway. */
  count(account: string, event: MeterEvent, identifier: string, nowMs: number): string {
    const { meter, amount, timestampS } = event;
    this.counts.events += 1;
    const row = this.#rowOf(account, event);
    row.events += 1;
    if (meter.eventTimeWindow !== undefined) overwrite(row, amount, timestampS, windowSeconds[meter.eventTimeWindow]);
    else if (meter.formula === 'sum') row.amount = add(row.amount, amount);
    else if (meter.formula === 'last' && timestampS >= row.newestS) row.amount = amount;
    row.newestS = Math.max(row.newestS, timestampS);
    this.#recent[(this.counts.events - 1) % recentMax] = {
      row,
      identifier: detached(identifier),
      amount,
      timestampS,
      receivedMs: nowMs,
      isCancelled: false,
    };
    return row.lane;
  }

  /**
   * Takes back one of the newest 10,000 events of a meter that adds up, within 24 hours of its receipt. Answers what it was, or why
   * it cannot be taken back.
   */
  cancel(
    account: string,
    eventName: string,
    identifier: string,
    nowMs: number,
  ): MeterEvent | { readonly fault: string } {
    const recent = this.#recent.find(
      (each) =>
        each.identifier === identifier && each.row.meter.eventName === eventName && each.row.account === account,
    );
    if (recent === undefined) return { fault: `No event with identifier ${identifier} is known.` };
    const { row, amount, timestampS } = recent;
    if (recent.isCancelled) return { fault: `The event with identifier ${identifier} is cancelled already.` };
    if (nowMs - recent.receivedMs >= dayMs) return { fault: 'Events can be cancelled within 24 hours.' };
    if (row.meter.formula === 'last' || row.meter.eventTimeWindow !== undefined) {
      return { fault: 'This simulator cannot take back what has overwritten something else.' };
    }
    recent.isCancelled = true;
    row.events -= 1;
    if (row.meter.formula === 'sum') row.amount = subtract(row.amount, amount);
    return { meter: row.meter, customer: row.customer, amount, timestampS };
  }

  /** Lazily, in the order in which the lanes were first seen. */
  *totals(customer?: string): Generator<Total> {
    for (const row of this.#rows.values()) {
      if (customer === undefined || row.customer === customer) yield totalOf(row);
    }
  }

  /** The newest events first, at most `limit`, out of the last 10,000. */
  recent(
    filter: { readonly customer: string | undefined; readonly eventName: string | undefined },
    limit: number,
  ): readonly RecordedEvent[] {
    const found: RecordedEvent[] = [];
    for (let age = 1; age <= this.#recent.length && found.length < limit; age++) {
      const recent = this.#recent[(this.counts.events - age) % recentMax];
      if (recent === undefined) break;
      const { customer, meter } = recent.row;
      if (filter.customer !== undefined && customer !== filter.customer) continue;
      if (filter.eventName !== undefined && meter.eventName !== filter.eventName) continue;
      found.push(recorded(recent));
    }
    return found;
  }

  #rowOf(account: string, { customer, meter }: MeterEvent): Row {
    const lane = laneOf(account, customer, meter);
    const known = this.#rows.get(lane);
    if (known !== undefined) return known;
    const row: Row = {
      lane,
      account,
      customer: detached(customer),
      meter,
      events: 0,
      amount: zero,
      newestS: 0,
      windows: undefined,
    };
    this.#rows.set(lane, row);
    return row;
  }
}

function recorded({ row, identifier, amount, timestampS, receivedMs }: Recent): RecordedEvent {
  const { customer, meter, account } = row;
  return {
    customer,
    event_name: meter.eventName,
    value: format(amount),
    identifier,
    timestamp: timestampS,
    received: new Date(receivedMs).toISOString(),
    ...(account === '' ? {} : { account }),
  };
}

function overwrite(row: Row, amount: Amount, timestampS: number, seconds: number): void {
  const window = Math.floor(timestampS / seconds);
  row.windows ??= new Map();
  row.amount = add(subtract(row.amount, row.windows.get(window) ?? zero), amount);
  row.windows.set(window, amount);
}

function totalOf({ account, customer, meter, events, amount }: Row): Total {
  const counted = meter.formula === 'count' && meter.eventTimeWindow === undefined;
  return {
    customer,
    event_name: meter.eventName,
    value: counted ? String(events) : format(amount),
    events,
    ...(account === '' ? {} : { account }),
  };
}
