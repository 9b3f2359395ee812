import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Outcome } from '../provider/provider.ts';
import { type SaidConsumer, TestConsumer } from './test-consumer.ts';
import { catalogOf, hourMs, meter, minuteMs, outcomes, usageEvent } from './testing.ts';

const { accepted, throttled, unknown } = outcomes;
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
    for (let hour = 1; hour <= 22; hour++) {
      consumer.deliver(eventsOf(['broken', 'well']));
      await later(hourMs);
      expect(consumer.billedTo('well')).toBe(1 + hour);
    }
  });
});

describe('an outage', () => {
  it('leaves everything in the broker: nothing is deferred while nobody is served', async () => {
    const consumer = consumerOf({ answerTo: () => unknown });
    consumer.deliver(eventsOf(customers(200)));
    await later(2 * hourMs);
    expect(consumer.drive.unsettled).toBe(200);
    expect(consumer.shard.acked).toBe(0);
  });
});
