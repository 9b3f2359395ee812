import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { slotOf } from '../../../../shared/event/lane.ts';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Outcome } from '../provider/provider.ts';
import { catalogOf, meter, minuteMs, outcomes, startRedisMs, usageEvent } from '../shard/testing/fixtures.ts';
import { TestConsumer } from '../shard/testing/test-consumer.ts';

/**
 * `npm run neighbours` in virtual time, for two of its 16 shards: the platform and 20 connected accounts, of which each of the first ten
 * has a fault, 5,000 events per second in all 16.
 */
const { accepted, refused, throttled, unauthorized, unknown } = outcomes;
const flushIntervalMs = minuteMs;
const [shards, shardsInAll] = [2, 16];
const ratePerSOfLane = 5_000 / (21 * 20);
const [roundMs, postedMs] = [250, 8 * minuteMs];

const list = catalogOf(meter('requests'), meter('documents', 'count'));
const accounts = Array.from({ length: 20 }, (_, index) => `acct_${index}`);

interface Fault {
  /** Absent: all of its customers have it. */
  readonly customers?: number;
  readonly answer?: Outcome;
  readonly afterMs?: number;
  readonly meter?: string;
  readonly hasNoList?: true;
  /** It has so many customers, in all shards, with an event each ten seconds. */
  readonly lanes?: number;
}

const faults: Readonly<Record<string, Fault>> = {
  acct_0: { customers: 1, answer: throttled },
  acct_1: { hasNoList: true },
  acct_2: { hasNoList: true },
  acct_3: { hasNoList: true },
  acct_4: { customers: 10, answer: unknown },
  acct_5: { customers: 1, answer: unknown, meter: 'documents' },
  acct_6: { afterMs: 4_500, lanes: 800 },
  acct_7: { answer: unauthorized },
  acct_8: { answer: unknown, afterMs: 5_000, lanes: 800 },
  acct_9: { customers: 1, answer: refused },
  '': { customers: 10, answer: unknown },
};

/** The fault that this customer has, if any. */
function faultOf({ account = '', customer }: Pick<Entry, 'account' | 'customer'>): Fault | undefined {
  const fault = faults[account];
  return Number(customer.split('_').at(-1)) < (fault?.customers ?? Number.POSITIVE_INFINITY) ? fault : undefined;
}

function lanesOf(account: string): UsageEvent[] {
  const names = Array.from({ length: faults[account]?.lanes ?? 20 }, (_, index) => `cus_${account}_${index}`);
  return names.map((customer) => {
    const said = { ...(account === '' ? {} : { account }), customer, idGenerated: true } as const;
    const isMisspelt = customer === 'cus__10';
    return usageEvent({ ...said, meter: isMisspelt ? 'reqeusts' : (faultOf(said)?.meter ?? 'requests') });
  });
}

/** When events were posted that are not billed yet, oldest first. */
type Waiting = { atMs: number; events: number }[];

describe('twenty connected accounts, of which ten have a fault each', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  // Three lists could not be read and an account was revoked: after four minutes their entries had taken all places. From then on each
  // set waited a minute more before it was sealed, for lists that could not be read for all that time: the others waited 120 to 150 s.
  it('have every other customer billed in little more than one flush interval', { timeout: 60_000 }, async () => {
    const unreadable = { reason: 'HTTP 500', sinceMs: 0 };
    const connected = new Map(accounts.map((name) => [name, faults[name]?.hasNoList ? { unreadable } : list]));
    const consumer = new TestConsumer({
      answerTo: (entry) => faultOf(entry)?.answer ?? accepted,
      answerAfterMs: (entry) => faultOf(entry)?.afterMs ?? 20,
      catalog: { ...list, connected },
      shards,
      limits: { flushIntervalMs, flushEvents: 50_000 },
    });
    onTestFinished(() => consumer.stop());
    const lanes = ['', ...accounts].flatMap(lanesOf);
    const own = lanes.filter((lane) => slotOf(lane) % shardsInAll < shards);
    const innocent = own.filter((lane) => faultOf(lane) === undefined && lane.meter === 'requests');
    const waiting = new Map(innocent.map(({ customer }) => [customer, [] as Waiting]));
    let [longestMs, billed, posted] = [0, 0, 0];

    for (let atMs = 0; atMs < postedMs + 1.6 * flushIntervalMs; atMs += roundMs) {
      if (atMs < postedMs) {
        const events = Math.floor((ratePerSOfLane * (atMs + roundMs)) / 1_000) - posted;
        posted += events;
        for (const rounds of waiting.values()) rounds.push({ atMs, events });
        const timestamp = (startRedisMs + atMs) / 1_000;
        const ofLane = ({ account = '' }: UsageEvent): number =>
          faults[account]?.lanes === undefined ? events : Number(atMs % 10_000 === 0);
        consumer.deliver(own.flatMap((lane) => Array.from({ length: ofLane(lane) }, () => ({ ...lane, timestamp }))));
      }
      await vi.advanceTimersByTimeAsync(roundMs);
      for (const { customer, events } of consumer.billed.slice(billed))
        longestMs = Math.max(longestMs, atMs + roundMs - oldestBilled(waiting.get(customer), events, atMs));
      billed = consumer.billed.length;
    }
    expect([...waiting.values()].flat()).toEqual([]);
    expect(longestMs).toBeLessThan(1.2 * flushIntervalMs);
    // Otherwise nobody was slow, or silent, or had taken all places.
    const { deferred, outcomes: ended } = consumer.drive;
    expect(deferred.size).toBeGreaterThan(8_000);
    expect(ended.dead).toBeGreaterThan(10);
  });
});

/** Takes so many events out of those that wait. Answers when the oldest of them was posted. */
function oldestBilled(rounds: Waiting = [], events: number, nowMs: number): number {
  const oldestMs = rounds[0]?.atMs ?? nowMs;
  for (let [left, round] = [events, rounds[0]]; round !== undefined && left > 0; round = rounds[0]) {
    const taken = Math.min(left, round.events);
    left -= taken;
    round.events -= taken;
    if (round.events === 0) rounds.shift();
  }
  return oldestMs;
}
