import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { defaultDriveLimits } from '../lanes/drive-limits.ts';
import type { Outcome } from '../provider/provider.ts';
import {
  catalogOf,
  hourMs,
  meter,
  minuteMs,
  outcomes,
  requestsCatalog,
  startRedisMs,
  usageEvent,
} from '../shard/testing/fixtures.ts';
import { type SaidConsumer, TestConsumer } from '../shard/testing/test-consumer.ts';

const { accepted, throttled, unauthorized, unknown } = outcomes;
const flushIntervalMs = 5 * minuteMs;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function consumerOf(said: SaidConsumer): TestConsumer {
  const consumer = new TestConsumer({ ...said, limits: { flushIntervalMs, flushEvents: 50_000, ...said.limits } });
  onTestFinished(() => consumer.stop());
  return consumer;
}

const later = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function customers(count: number, name = 'well'): string[] {
  return Array.from({ length: count }, (_, index) => `${name}_${index}`);
}

function eventsOf(names: readonly string[], said: Partial<UsageEvent> = {}): UsageEvent[] {
  return names.map((customer) => usageEvent({ customer, ...said, idGenerated: true }));
}

function served(consumer: TestConsumer, names: readonly string[]): number {
  return names.filter((name) => consumer.billedTo(name) > 0).length;
}

/** The provider answers customers whose name begins with `broken` like this, the others well. */
function brokenAre(outcome: Outcome) {
  return ({ customer }: Entry): Outcome => (customer.startsWith('broken') ? outcome : accepted);
}

describe('one lane that stays locked', () => {
  // Stripe kept one customer's object locked. Of 12 entries of it none was laid aside, since they were more than ten; one that was
  // deferred and met 409 again was retried at the head of its lane, and what stood behind it was never called: 0 of 20 other
  // customers were billed in 7 minutes.
  it.each([12, 1])('with %d entries holds up no other customer', async (entriesOfIt) => {
    const consumer = consumerOf({ answerTo: brokenAre(throttled) });
    const lane = Array.from({ length: entriesOfIt }, (_, index) =>
      usageEvent({ customer: 'broken', dimensions: { region: String(index) }, idGenerated: true }),
    );
    const others = customers(20);
    consumer.deliver(lane);
    await later(flushIntervalMs + 1_000);
    for (let set = 1; set <= 6; set++) {
      consumer.deliver([...lane, ...eventsOf(others)]);
      await later(2 * flushIntervalMs);
      expect(others.map((name) => consumer.billedTo(name))).toEqual(others.map(() => set));
    }
    expect(consumer.shard.core.flight.pendingSet).toBeUndefined();
    expect(consumer.drive.deferred.size).toBe(7 * entriesOfIt);
  });

  // With one entry a set, the other customer was billed at minutes 5, 10, 16, then not in 6 hours.
  it('holds up no set of somebody else in six hours', async () => {
    const consumer = consumerOf({ answerTo: brokenAre(throttled), limits: { flushEvents: 1 } });
    for (let turn = 0; turn < 72; turn++) {
      consumer.deliver(eventsOf(['broken']));
      await later(1_000);
      consumer.deliver(eventsOf(['well']));
      await later(flushIntervalMs - 1_000);
      expect(consumer.billedTo('well')).toBe(turn + 1);
    }
  });
});

describe('customers whose every call fails', () => {
  const broken = customers(30, 'broken');
  const others = customers(20);

  // The breaker stayed open for 8 minutes, each of its probes was one of the 30, nobody was billed and nothing deferred.
  it.each([256, 1])('thirty of them hold up no other one (%d calls at a time)', async (concurrency) => {
    const consumer = consumerOf({ answerTo: brokenAre(unknown), concurrency });
    for (let set = 1; set <= 6; set++) {
      consumer.deliver(eventsOf([...others, ...broken]));
      await later(2 * flushIntervalMs);
      expect(others.map((name) => consumer.billedTo(name))).toEqual(others.map(() => set));
    }
    expect(consumer.drive.deferred.size).toBe(6 * broken.length);
  });

  it('thirty of a connected account hold up neither its other customers for long, nor anybody else', async () => {
    const account = 'acct_1';
    const catalog = { ...requestsCatalog, connected: new Map([[account, requestsCatalog]]) };
    const consumer = consumerOf({ answerTo: brokenAre(unknown), catalog });
    for (let set = 1; set <= 6; set++) {
      consumer.deliver([...eventsOf([...others, ...broken], { account }), ...eventsOf(['platform'])]);
      await later(2 * flushIntervalMs);
      expect(consumer.billedTo('platform')).toBe(set);
      expect(others.map((name) => consumer.billedTo(name))).toEqual(others.map(() => set));
    }
  });

  // A set without anybody else has no witness that the provider is well: what waits behind it has to be asked.
  it('thirty of them alone in a set make way for the next one', async () => {
    const consumer = consumerOf({ answerTo: brokenAre(unknown) });
    consumer.deliver(eventsOf(broken));
    await later(flushIntervalMs + 1_000);
    consumer.deliver(eventsOf(others));
    await later(2 * flushIntervalMs);
    expect(served(consumer, others)).toBe(20);
  });

  // Its 1,100 events of a count meter filled the 1,000 places for deferred entries: the other customer was not billed in 22 hours.
  it('one with 1,100 entries that cannot be merged holds up no other one', async () => {
    const catalog = catalogOf(meter('requests', 'count'));
    const consumer = consumerOf({ answerTo: brokenAre(unknown), catalog });
    consumer.deliver(eventsOf(Array.from({ length: 1_100 }, () => 'broken')));
    consumer.deliver(eventsOf(['well']));
    await later(2 * flushIntervalMs);
    expect(consumer.billedTo('well')).toBe(1);
    for (let set = 1; set <= 6; set++) {
      consumer.deliver(eventsOf(['broken', 'well']));
      await later(2 * flushIntervalMs);
      expect(consumer.billedTo('well')).toBe(1 + set);
    }
    expect(consumer.drive.deferred.size).toBe(1_106);
  });

  // However many they are: what is beyond the room of its lane is parked, if it was never sent, and only while others are served.
  it('one with more entries than there is room for holds up no other one', async () => {
    const catalog = catalogOf(meter('requests', 'count'));
    const drive = { ...defaultDriveLimits, deferredMax: 300, floodMin: 100 };
    const consumer = consumerOf({ answerTo: brokenAre(unknown), catalog, limits: { drive } });
    for (let set = 1; set <= 3; set++) {
      consumer.deliver(eventsOf([...Array.from({ length: 500 }, () => 'broken'), 'well', 'new']));
      await later(2 * flushIntervalMs);
      expect([consumer.billedTo('well'), consumer.billedTo('new')]).toEqual([set, set]);
    }
    const { dead, deferred } = consumer.drive.outcomes;
    expect(dead + deferred).toBe(1_500);
    expect(deferred).toBeGreaterThanOrEqual(150);
    expect(deferred).toBeLessThan(160);
    const parked = consumer.shard.writes.flatMap((write) => (write.kind === 'progress' ? write.parked : []));
    const flood = parked.filter(({ state }) => state === 'dead');
    expect(flood[0]?.reason).toMatch(/^lane_keeps_failing: /);
    expect(flood.filter(({ attempts }) => attempts > 0)).toEqual([]);
  });
});

describe('usage that cannot be called', () => {
  const counting = catalogOf(meter('requests', 'count'));

  // Lists of three accounts could not be read, another account was revoked, and a lane failed: together they took the 10,000 places
  // while their set was on its way. Its last 655 entries had none, and 18 other customers of the shard were not billed for half an hour.
  it('holds up nobody when others have taken its room meanwhile', async () => {
    const drive = { ...defaultDriveLimits, deferredMax: 100, closedMax: 100 };
    const catalog = {
      ...counting,
      connected: new Map([['acct_1', { unreadable: { reason: 'HTTP 500', sinceMs: 0 } }]]),
    };
    const consumer = consumerOf({ answerTo: brokenAre(unknown), catalog, limits: { drive } });
    const unlisted = eventsOf(
      customers(80, 'unlisted').map((name) => name),
      { account: 'acct_1' },
    );
    consumer.deliver([...unlisted, ...eventsOf(Array.from({ length: 40 }, () => 'broken')), ...eventsOf(['well'])]);
    await later(2 * flushIntervalMs);
    for (let set = 1; set <= 3; set++) {
      consumer.deliver(eventsOf(['well']));
      await later(2 * flushIntervalMs);
      expect(consumer.billedTo('well')).toBe(1 + set);
    }
    expect(consumer.drive.outcomes).toMatchObject({ deferred: 100, dead: 20 });
    const parked = consumer.shard.writes.flatMap((write) => (write.kind === 'progress' ? write.parked : []));
    const dead = parked.filter(({ state }) => state === 'dead');
    expect(new Set(dead.map(({ reason }) => reason.slice(0, 30)))).toEqual(new Set(['no_meter: nobody could tell wh']));
  });

  // An account was revoked, and all places were taken. Each one that became free had the minute begin anew after which the others need
  // not wait for the rest any more.
  it('holds up nobody for as long as its places become free one by one', async () => {
    const recoversAtMs = performance.now() + 2 * flushIntervalMs;
    const isBack = (): boolean => performance.now() >= recoversAtMs;
    const consumer = consumerOf({
      answerTo: ({ account, customer }) => {
        if (account !== undefined) return unauthorized;
        return customer === 'broken' && !isBack() ? unknown : accepted;
      },
      answerAfterMs: ({ customer }) => (customer === 'broken' && isBack() ? 45_000 : 20),
      catalog: { ...counting, connected: new Map([['acct_1', counting]]) },
      limits: { drive: { ...defaultDriveLimits, deferredMax: 100, closedMax: 40 } },
    });
    const revoked = eventsOf(customers(60, 'revoked'), { account: 'acct_1' });
    consumer.deliver(eventsOf([...Array.from({ length: 30 }, () => 'broken'), 'well']));
    await later(flushIntervalMs + minuteMs);
    for (let set = 1; set <= 4; set++) {
      consumer.deliver([...revoked, ...eventsOf(['well'])]);
      await later(flushIntervalMs + (set === 1 ? 10 : 0.5) * minuteMs);
      expect(consumer.shard.core.flight.pendingSet).toBeUndefined();
      expect(consumer.billedTo('well')).toBe(1 + set);
    }
    // Otherwise no place became free meanwhile, or there was one for everybody.
    expect(consumer.billedTo('broken')).toBeGreaterThan(20);
    expect(consumer.drive.outcomes.dead).toBeGreaterThan(100);
  });

  it('is not parked for want of room while nobody is served', async () => {
    let isOutage = true;
    const consumer = consumerOf({
      answerTo: ({ account }) => (!isOutage ? accepted : account === undefined ? unknown : unauthorized),
      catalog: { ...counting, connected: new Map([['acct_1', counting]]) },
      limits: { drive: { ...defaultDriveLimits, closedMax: 40 } },
    });
    consumer.deliver(eventsOf(customers(60, 'revoked'), { account: 'acct_1' }));
    await later(flushIntervalMs + 1_000);
    consumer.deliver(eventsOf(['well']));
    await later(2 * hourMs);
    expect(consumer.drive.outcomes).toMatchObject({ accepted: 0, deferred: 40, dead: 0 });
    isOutage = false;
    await later(hourMs);
    expect(served(consumer, ['well', ...customers(60, 'revoked')])).toBe(61);
  });

  // All whose turn it was stood behind such a set, so nobody was served, and it looked like an outage.
  it('holds up those behind it for five minutes at most, if nobody else is there to be served', async () => {
    const consumer = consumerOf({
      answerTo: ({ account }) => (account === undefined ? accepted : unauthorized),
      catalog: { ...counting, connected: new Map([['acct_1', counting]]) },
      limits: { drive: { ...defaultDriveLimits, closedMax: 40 } },
    });
    const revoked = eventsOf(customers(60, 'revoked'), { account: 'acct_1' });
    consumer.deliver([...revoked, ...eventsOf(['well'])]);
    await later(flushIntervalMs + 1_000);
    for (let set = 1; set <= 4; set++) {
      consumer.deliver(eventsOf(['well']));
      await later(2 * flushIntervalMs);
      expect(consumer.billedTo('well')).toBe(1 + set);
      consumer.deliver(revoked);
      await later(flushIntervalMs + 1_000);
    }
  });
});

describe('a sidecar whose clock is 400 s ahead', () => {
  const aheadS = 400;

  /** As the provider does: what is more than five minutes ahead of its clock is refused, until it is not. */
  function refusingTheFuture(startMs: number) {
    return ({ timestamp }: Entry): Outcome => {
      const nowS = (startRedisMs + performance.now() - startMs) / 1_000;
      return timestamp > nowS + 300 ? { kind: 'early', reason: 'timestamp_in_future' } : accepted;
    };
  }

  // Three good events of the same window were dead with its own: an entry has the newest time of its events.
  it('has its usage, and what stands in the same entry, billed when its time has come', async () => {
    const limits = { flushIntervalMs: 10_000, windowMs: hourMs };
    const consumer = consumerOf({ answerTo: refusingTheFuture(performance.now()), limits });
    const atS = startRedisMs / 1_000;
    consumer.deliver([0, 1, 2, aheadS].map((s) => usageEvent({ timestamp: atS + s, idGenerated: true })));
    await later(60_000);
    expect(consumer.drive.outcomes).toMatchObject({ dead: 0, deferred: 1 });
    // It holds up neither its set nor its lane.
    consumer.deliver(eventsOf(['cus_1', 'well'], { timestamp: atS + 60 }));
    await later(20_000);
    expect(consumer.billed.map(({ customer }) => customer)).toEqual(['cus_1', 'well']);
    await later(60_000);
    expect(consumer.billed.at(-1)).toMatchObject({ customer: 'cus_1', value: '4', timestamp: atS + aheadS });
  });

  it('is not waited for when it must be wrong by more than a day', async () => {
    const consumer = consumerOf({ answerTo: refusingTheFuture(performance.now()), limits: { flushIntervalMs: 1_000 } });
    consumer.deliver([usageEvent({ timestamp: startRedisMs / 1_000 + 90_000 })]);
    await later(10_000);
    expect(consumer.drive.outcomes).toMatchObject({ dead: 1, deferred: 0 });
  });
});

describe('an outage', () => {
  it('leaves everything in the broker: nothing is deferred while nobody is served', async () => {
    const consumer = consumerOf({ answerTo: () => unknown });
    consumer.deliver(eventsOf(customers(200)));
    await later(hourMs);
    expect(consumer.drive.unsettled).toBe(200);
    expect(consumer.shard.acked).toBe(0);
  });
});
