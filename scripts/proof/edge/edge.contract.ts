import { describe, expect, it, onTestFinished } from 'vitest';
import { createLimiters } from '../../../services/consumer/src/dispatch/limiters.ts';
import type { Call, CallSource } from '../../../services/consumer/src/dispatch/call.ts';
import { runDispatcher } from '../../../services/consumer/src/dispatch/run-dispatcher.ts';
import { createBreakers } from '../../../services/consumer/src/provider/breakers.ts';
import { type Meter, MetersUnreadable, type Outcome } from '../../../services/consumer/src/provider/provider.ts';
import { createStripeProvider, type StripeProvider } from '../../../services/consumer/src/provider/stripe.ts';
import { Secret } from '../../../shared/config/secret.ts';
import type { Entry } from '../../../shared/journal/journal.ts';
import { createRedisLimiter } from '../../../shared/limiter/redis-limiter.ts';
import { createLog } from '../../../shared/log/log.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import { connectRedis, untilReady } from '../../../shared/redis/client.ts';
import { sharedServices } from '../../../shared/testing/shared-services.ts';
import { until } from '../../../shared/testing/until.ts';
import { clusterKeyPrefix } from '../../../shared/topology/names.ts';

/** Something in Stripe's place, fresh for each test, with the meters `tokens`, `seconds` and `seats`. */
export interface EdgeTarget {
  readonly base: string;
  readonly latencyMs: number;
  limit(ratePerS: number): Promise<void>;
  revoke(what: { readonly keys?: readonly string[]; readonly accounts?: readonly string[] }): Promise<void>;
  /** The next call is executed, and its connection cut instead of an answer. */
  cutNext(): Promise<void>;
  /** What the customer owes. */
  owed(customer: string, meter: string): Promise<string>;
  counts(): Promise<{ readonly calls: number; readonly throttled: number; readonly peakPerSecond: number }>;
}

const log = createLog({ service: 'test', level: 'silent' });
const meter: Meter = { eventName: 'tokens', formula: 'sum', customerKey: 'stripe_customer_id', valueKey: 'value' };
let made = 0;

function entryOf(said: Partial<Entry> = {}): Entry {
  return {
    identifier: `tm1-${Date.now()}-${++made}`,
    customer: 'cus_1',
    meter: 'tokens',
    value: '1',
    timestamp: Math.floor(Date.now() / 1_000),
    windowStartMs: 0,
    events: 1,
    ...said,
  };
}

function providerAt(base: string, apiKey = new Secret('sk_live_1')): StripeProvider {
  const provider = createStripeProvider({ apiKey, apiBase: base, timeoutMs: 5_000, concurrency: 64 });
  onTestFinished(() => provider.close());
  return provider;
}

/** A shard with entries of a lane each, sent again until they are accepted. */
class Backlog implements CallSource {
  readonly #left: Entry[];
  readonly startedAtMs: number[] = [];
  accepted = 0;

  constructor(entries: readonly Entry[]) {
    this.#left = [...entries];
  }

  takeArmedChanges(): ReadonlyMap<string, number> {
    return new Map([['', this.#left.length]]);
  }

  accountChanged(): void {
    // Only the platform's own account is called.
  }

  takeCall(): Call | undefined {
    const entry = this.#left.shift();
    if (entry === undefined) return undefined;
    this.startedAtMs.push(performance.now());
    const ended = (outcome: Outcome): void => {
      if (outcome.kind === 'accepted') this.accepted++;
      else this.#left.push(entry);
    };
    return { entry, meter, isKnownToFail: false, ended };
  }
}

/** What the edge relies on, for whatever claims to be Stripe. */
export function edgeContract(name: string, open: () => Promise<EdgeTarget>): void {
  describe(`the edge, at ${name}`, () => {
    it('is told that what it sends again was accepted, and it counts once', async () => {
      const stripe = await open();
      const provider = providerAt(stripe.base);
      const entry = entryOf({ value: '-12.5' });
      expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' });
      expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' });
      expect(await provider.send(entryOf({ value: '123456789.012345' }), meter)).toEqual({ kind: 'accepted' });
      expect(await stripe.owed('cus_1', 'tokens')).toBe('123456776.512345');
    });

    it('does not know how a call ended whose answer is cut off, and sends it again without harm', async () => {
      const stripe = await open();
      const provider = providerAt(stripe.base);
      await stripe.cutNext();
      const entry = entryOf();
      expect(await provider.send(entry, meter)).toMatchObject({ kind: 'unknown' });
      await until(async () => expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' }));
      expect(await stripe.owed('cus_1', 'tokens')).toBe('1');
    });

    it('tells a busy lane from a limited account', async () => {
      const stripe = await open();
      const provider = providerAt(stripe.base);
      const both = await Promise.all([provider.send(entryOf(), meter), provider.send(entryOf(), meter)]);
      expect(both.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
      expect(both).toContainEqual(expect.objectContaining({ kind: 'throttled', scope: 'lane' }));
      await stripe.limit(1);
      const other = entryOf({ customer: 'cus_2' });
      await until(async () =>
        expect(await provider.send(other, meter)).toMatchObject({ scope: 'account', limit: 'endpoint-rate' }),
      );
    });

    it('is refused for what is too old, and told what is too early', async () => {
      const provider = providerAt((await open()).base);
      const { timestamp } = entryOf();
      const outcomeAt = async (at: number) => (await provider.send(entryOf({ timestamp: at }), meter)).kind;
      expect(await outcomeAt(timestamp - 36 * 86_400)).toBe('refused');
      expect(await outcomeAt(timestamp + 3_600)).toBe('early');
    });

    it('is unauthorized with a revoked key, and goes on with the one that its file has then', async () => {
      const stripe = await open();
      let key = 'sk_live_old';
      let nowMs = 0;
      const secret = new Secret(
        key,
        () => key,
        () => (nowMs += 2_000),
      );
      const provider = providerAt(stripe.base, secret);
      const entry = entryOf();
      await stripe.revoke({ keys: ['sk_live_old'] });
      expect(await provider.send(entry, meter)).toMatchObject({ kind: 'unauthorized' });
      key = 'sk_live_new';
      expect(await provider.send(entry, meter)).toEqual({ kind: 'accepted' });
    });

    it('is unauthorized for a revoked connected account, and for that one only', async () => {
      const stripe = await open();
      const provider = providerAt(stripe.base);
      await stripe.revoke({ accounts: ['acct_gone'] });
      expect(await provider.send(entryOf({ account: 'acct_gone' }), meter)).toMatchObject({ kind: 'unauthorized' });
      await expect(provider.meters('acct_gone')).rejects.toThrow(MetersUnreadable);
      expect(await provider.send(entryOf({ account: 'acct_here' }), meter)).toEqual({ kind: 'accepted' });
      expect(await provider.meters('acct_here')).toHaveLength(3);
    });

    it('reads every meter, however many pages there are', async () => {
      const names = (await providerAt((await open()).base).meters()).map(({ eventName }) => eventName);
      expect(names.toSorted()).toEqual(['seats', 'seconds', 'tokens']);
    });

    it('sends a backlog at nearly the whole limit and never above it, adapts to a lower one, and bills exactly', async () => {
      const ratePerS = 200;
      const stripe = await open();
      await stripe.limit(ratePerS);
      const { redisUrl, namespace } = sharedServices();
      const redis = connectRedis(new Secret(redisUrl), { name: 'edge-test', log });
      onTestFinished(() => redis.disconnect());
      await untilReady(redis);
      const limit = { keyPrefix: clusterKeyPrefix(namespace), provider: 'stripe', endpoint: 'v1-meter-events', log };
      const limiterOf = () => createRedisLimiter({ ...limit, redis, credential: () => 'sk_live_1', ratePerS });
      const breakers = createBreakers(providerAt(stripe.base));
      const dispatcher = runDispatcher({
        provider: breakers,
        limiters: createLimiters(limiterOf, ratePerS),
        concurrency: 64,
        registry: createRegistry('consumer'),
        log,
      });
      onTestFinished(async () => {
        await dispatcher.stop();
        breakers.stop();
      });
      const entries = Array.from({ length: 1_200 }, (_, index) => entryOf({ customer: `cus_${index % 300}` }));
      // A lane's entries come one after the other.
      const rounds = [0, 300, 600].map((from) => new Backlog(entries.slice(from, from + 300)));
      const sinceMs = performance.now();
      for (const backlog of rounds) {
        dispatcher.add(backlog);
        await until(() => backlog.accepted === 300, { deadlineMs: 30_000, intervalMs: 5 });
        dispatcher.remove(backlog);
      }
      const meanPerS = 900 / ((performance.now() - sinceMs) / 1_000);
      const before = await stripe.counts();
      expect(before.peakPerSecond).toBeLessThanOrEqual(1.05 * ratePerS);
      // Nearly all of it on a machine that has time; scripts/proof/acceptance/timing/rate.timed.test.ts measures it.
      expect(meanPerS).toBeGreaterThan(0.3 * ratePerS);
      expect(before.throttled).toBeLessThanOrEqual(before.calls / 100);

      await stripe.limit(ratePerS / 4);
      const last = new Backlog(entries.slice(900));
      dispatcher.add(last);
      await until(() => last.accepted === 300, { deadlineMs: 60_000 });
      const after = await stripe.counts();
      expect((after.throttled - before.throttled) / 300).toBeLessThan(0.6);
      for (const customer of ['cus_0', 'cus_7', 'cus_299']) expect(await stripe.owed(customer, 'tokens')).toBe('4');
    });
  });
}
