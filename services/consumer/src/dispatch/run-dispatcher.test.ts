/**
 * The dispatcher with a limiter, a provider and a clock that are the test's. A bug that passed every test: while Redis was away, calls
 * started without slots.
 */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Lease } from '../../../../shared/limiter/limiter.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { createRegistry } from '../../../../shared/metrics/metrics.ts';
import type { AccountChange, Breakers } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import { entry } from '../shard/testing/fixtures.ts';
import { pass, useFakeClock } from '../shard/testing/test-runner.ts';
import type { Call, CallSource } from './call.ts';
import type { Limiters } from './limiters.ts';
import { type RunningDispatcher, runDispatcher } from './run-dispatcher.ts';

beforeEach(useFakeClock);
afterEach(() => void vi.useRealTimers());

interface Sent {
  readonly atMs: number;
  end(outcome: Outcome): void;
  fail(error: Error): void;
}

/** A shard with so many calls, and everything that the dispatcher stands on. */
class Surroundings {
  left: number;
  readonly sent: Sent[] = [];
  readonly ended: Outcome[] = [];
  readonly throttles: { readonly account: string; readonly startedAtMs: number }[] = [];
  /** Slots that the limiter has given out. */
  slots = 0;
  isRedisAway = false;
  rateIs = 100;
  readonly dispatcher: RunningDispatcher;
  readonly source: CallSource;
  change: (change: AccountChange) => void = () => undefined;

  constructor(calls: number) {
    this.left = calls;
    const lease = async (_account: string, wanted: number): Promise<Lease> => {
      if (this.isRedisAway) throw new Error('Connection is closed.');
      const first = performance.now() + 10;
      this.slots += wanted;
      return { slotsAtMs: Array.from({ length: wanted }, (_, index) => first + index), toleranceMs: 100 };
    };
    const limiters: Partial<Limiters> = {
      lease,
      throttled: async (account, startedAtMs) => {
        this.throttles.push({ account, startedAtMs });
        return undefined;
      },
      giveBack: async () => undefined,
      rate: { pace: 1, perS: this.rateIs, lowered: undefined },
    };
    const provider: Partial<Breakers> = {
      send: () =>
        new Promise((resolve, reject) => {
          this.sent.push({ atMs: performance.now(), end: resolve, fail: reject });
        }),
      stateOf: () => 'closed',
      onChange: (listener) => {
        this.change = listener;
      },
    };
    this.dispatcher = runDispatcher({
      provider: provider as Breakers,
      limiters: limiters as Limiters,
      concurrency: 8,
      registry: createRegistry('consumer'),
      log: createLog({ service: 'test', level: 'silent' }),
      random: () => 0,
    });
    this.source = {
      takeArmedChanges: () => new Map([['', this.left]]),
      takeCall: () => this.#take(),
      accountChanged: () => undefined,
    };
  }

  #take(): Call | undefined {
    if (this.left === 0) return undefined;
    this.left--;
    return {
      entry: entry(),
      meter: undefined,
      isKnownToFail: false,
      ended: (outcome) => void this.ended.push(outcome),
    };
  }
}

it('starts no call without a slot while Redis is away, and goes on when it is back', async () => {
  const around = new Surroundings(5);
  around.isRedisAway = true;
  around.dispatcher.add(around.source);
  await pass(10_000);
  expect(around.sent).toEqual([]);
  around.isRedisAway = false;
  await pass(5_000);
  expect(around.sent).toHaveLength(5);
  expect(around.slots).toBeGreaterThanOrEqual(5);
});

it('starts no more calls than there are slots, and never before theirs', async () => {
  const around = new Surroundings(5);
  around.dispatcher.add(around.source);
  const addedAtMs = performance.now();
  await pass(5, 1);
  expect(around.sent).toEqual([]);
  await pass(1_000, 5);
  for (const { atMs } of around.sent) expect(atMs).toBeGreaterThanOrEqual(addedAtMs + 10);
});

it('knows of every call until it has ended, tells its end once, and stops when the last has', async () => {
  const around = new Surroundings(2);
  around.dispatcher.add(around.source);
  await pass(1_000);
  expect(around.dispatcher.inFlightOf(around.source)).toBe(2);
  let isStopped = false;
  const stopped = around.dispatcher.stop().then(() => (isStopped = true));
  around.sent[0]?.end({ kind: 'accepted' });
  await pass(100);
  expect(around.ended).toEqual([{ kind: 'accepted' }]);
  expect(around.dispatcher.inFlightOf(around.source)).toBe(1);
  expect(isStopped).toBe(false);
  // Nobody knows what became of it: the call may have arrived.
  around.sent[1]?.fail(new Error('socket hang up'));
  await pass(100);
  expect(around.ended[1]?.kind).toBe('unknown');
  expect(around.dispatcher.inFlightOf(around.source)).toBe(0);
  await stopped;
});

it('starts nothing while it stops', async () => {
  const around = new Surroundings(0);
  around.dispatcher.add(around.source);
  await pass(100);
  await around.dispatcher.stop();
  around.left = 3;
  around.dispatcher.wake();
  await pass(1_000);
  expect(around.sent).toEqual([]);
});

it('tells the cluster of a call that the account turned away, with the time when it began', async () => {
  const around = new Surroundings(1);
  around.dispatcher.add(around.source);
  await pass(1_000);
  const startedAtMs = around.sent[0]?.atMs ?? 0;
  around.sent[0]?.end({ kind: 'throttled', scope: 'account', limit: 'global-rate', reason: '429' });
  await pass(100);
  expect(around.throttles).toEqual([{ account: '', startedAtMs }]);
});
