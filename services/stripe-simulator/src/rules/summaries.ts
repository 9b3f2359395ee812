import { add, type Amount, format, subtract, zero } from './amount.ts';
import { type Answer, invalid, missingParameter } from './answers.ts';
import { pageOf, pageParameters, refuseUnknown } from './billing/params.ts';
import { type Form, textAt } from './form.ts';
import type { Meter } from './meters.ts';

/** Usage as it is added up by and by: what was received shows in summaries only after a while, as at Stripe. */
interface Received {
  readonly receivedMs: number;
  readonly lane: string;
  readonly timestampS: number;
  readonly amount: Amount;
  /** -1 takes an event back. */
  readonly events: 1 | -1;
}

interface Minute {
  readonly minute: number;
  sum: Amount;
  events: number;
  last: Amount;
  lastS: number;
}

interface SummaryRequest {
  readonly customer: string;
  readonly startS: number;
  readonly endS: number;
  readonly groupS: number | undefined;
}

const minuteS = 60;
const groupings: Readonly<Record<string, number>> = { hour: 3_600, day: 86_400 };
const windows = { hour: 3_600, day: 86_400 } as const;
const minutesMax = 500_000;
const summariesMax = 10_000;

/** `GET /v1/billing/meters/:id/event_summaries`: sums per customer and meter, which lag behind what was accepted. */
export class Summaries {
  readonly #lagMs: number;
  /** The minutes of each lane, as they came. */
  readonly #lanes = new Map<string, Minute[]>();
  #received: Received[] = [];
  /** What stands before it is added up. */
  #head = 0;
  #minutes = 0;

  constructor(lagMs: number) {
    this.#lagMs = lagMs;
  }

  add(
    lane: string,
    event: { readonly timestampS: number; readonly amount: Amount },
    events: 1 | -1,
    nowMs: number,
  ): void {
    const { timestampS, amount } = event;
    this.#received.push({ receivedMs: nowMs, lane, timestampS, amount, events });
    this.#catchUp(nowMs);
  }

  list(lane: (customer: string) => string, meter: Meter, params: Form, livemode: boolean, nowMs: number): Answer {
    const request = readRequest(params);
    if ('status' in request) return request;
    this.#catchUp(nowMs);
    if (this.#minutes > minutesMax) {
      return invalid(`This simulator adds up ${minutesMax} minutes of usage at most, and has had more.`);
    }
    const minutes = this.#lanes.get(lane(request.customer)) ?? [];
    const data = rangesOf(request).flatMap(([startS, endS]) => {
      const within = minutes.filter(({ minute }) => minute * minuteS >= startS && minute * minuteS < endS);
      if (within.length === 0 && request.groupS !== undefined) return [];
      const value = aggregate(meter, within);
      return [
        {
          id: `mtrusg_test_${startS}`,
          object: 'billing.meter_event_summary',
          aggregated_value: Number(format(value)),
          end_time: endS,
          livemode,
          meter: meter.id,
          start_time: startS,
        },
      ];
    });
    const url = `/v1/billing/meters/${meter.id}/event_summaries`;
    return pageOf(data, params, { kind: 'meter_event_summary', url, keeps: () => true });
  }

  #catchUp(nowMs: number): void {
    for (;;) {
      const received = this.#received[this.#head];
      if (received === undefined || received.receivedMs + this.#lagMs > nowMs) break;
      this.#addUp(received);
      this.#head++;
    }
    // Now and then, not for every event.
    if (this.#head > 1_000 && this.#head * 2 > this.#received.length) {
      this.#received = this.#received.slice(this.#head);
      this.#head = 0;
    }
  }

  #addUp({ lane, timestampS, amount, events }: Received): void {
    const minute = Math.floor(timestampS / minuteS);
    const minutes = this.#lanes.get(lane);
    let entry = minutes?.findLast((each) => each.minute === minute);
    if (entry === undefined) {
      if (++this.#minutes > minutesMax) return;
      entry = { minute, sum: zero, events: 0, last: zero, lastS: 0 };
      if (minutes === undefined) this.#lanes.set(lane, [entry]);
      else minutes.push(entry);
    }
    entry.sum = events > 0 ? add(entry.sum, amount) : subtract(entry.sum, amount);
    entry.events += events;
    if (timestampS >= entry.lastS) Object.assign(entry, { last: amount, lastS: timestampS });
  }
}

function aggregate(meter: Meter, minutes: readonly Minute[]): Amount {
  if (meter.eventTimeWindow !== undefined) {
    // Of each window the newest stands for all.
    const newest = new Map<number, Minute>();
    for (const entry of minutes) {
      const window = Math.floor((entry.minute * minuteS) / windows[meter.eventTimeWindow]);
      if (entry.lastS >= (newest.get(window)?.lastS ?? 0)) newest.set(window, entry);
    }
    return [...newest.values()].reduce((sum, { last }) => add(sum, last), zero);
  }
  switch (meter.formula) {
    case 'sum':
      return minutes.reduce((sum, entry) => add(sum, entry.sum), zero);
    case 'count':
      return { units: BigInt(minutes.reduce((sum, { events }) => sum + events, 0)), scale: 0 };
    case 'last':
      return minutes.reduce((newest, entry) => (entry.lastS >= newest.lastS ? entry : newest), minutes[0] ?? nothing)
        .last;
  }
}

const nothing: Minute = { minute: 0, sum: zero, events: 0, last: zero, lastS: 0 };

/** Newest first. */
function rangesOf({ startS, endS, groupS }: SummaryRequest): [startS: number, endS: number][] {
  if (groupS === undefined) return [[startS, endS]];
  const ranges: [number, number][] = [];
  for (let fromS = startS; fromS < endS; fromS += groupS) ranges.unshift([fromS, fromS + groupS]);
  return ranges;
}

function readRequest(params: Form): SummaryRequest | Answer {
  const unknown = refuseUnknown(params, [
    'customer',
    'start_time',
    'end_time',
    'value_grouping_window',
    ...pageParameters,
  ]);
  if (unknown !== undefined) return unknown;
  const customer = textAt(params, 'customer');
  if (customer === undefined) return missingParameter('customer');
  const [startS, endS] = ['start_time', 'end_time'].map((name) => Number(textAt(params, name) ?? 'NaN'));
  const grouping = textAt(params, 'value_grouping_window');
  const groupS = grouping === undefined ? undefined : groupings[grouping];
  if (grouping !== undefined && groupS === undefined)
    return invalid('Invalid value_grouping_window: must be one of day or hour', { param: 'value_grouping_window' });
  if (startS === undefined || endS === undefined || !(startS < endS))
    return invalid('start_time and end_time are unix seconds, and start_time is the lower one.');
  // Aligned to minutes, or to the windows that were asked for.
  const unitS = groupS ?? minuteS;
  if (startS % unitS !== 0 || endS % unitS !== 0)
    return invalid(`start_time and end_time must be aligned with ${grouping ?? 'minute'} boundaries.`);
  if (groupS !== undefined && (endS - startS) / groupS > summariesMax) {
    return invalid(`That is more than ${summariesMax} summaries: ask for a shorter time, or group by day.`);
  }
  return { customer, startS, endS, groupS };
}
