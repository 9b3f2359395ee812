import { describe, expect, it, onTestFinished } from 'vitest';
import { Secret } from '../../../../shared/config/secret.ts';
import { createRedisLimiter } from '../../../../shared/limiter/redis-limiter.ts';
import { createLog } from '../../../../shared/log/log.ts';
import { createRegistry, type Registry } from '../../../../shared/metrics/metrics.ts';
import { connectRedis, untilReady } from '../../../../shared/redis/client.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { clusterKeyPrefix } from '../../../../shared/topology/names.ts';
import { createBreakers } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import {
  accept,
  entry,
  json,
  meter,
  providerAt,
  type Reply,
  scriptedStripe,
} from '../provider/testing/scripted-stripe.ts';
import type { Call, CallSource } from './call.ts';
import { createLimiters } from './limiters.ts';
import { type RunningDispatcher, runDispatcher } from './run-dispatcher.ts';

const log = createLog({ service: 'test', level: 'silent' });

/** A shard with calls on its hands, each of which is sent again until it is accepted. */
class Backlog implements CallSource {
  left: number;
  accepted = 0;
  readonly startedAtMs: number[] = [];
  readonly outcomes: { kind: Outcome['kind']; breakerClosed: boolean }[] = [];

  constructor(calls: number) {
    this.left = calls;
  }

  takeArmedChanges(): ReadonlyMap<string, number> {
    return new Map([['', this.left]]);
  }

  accountChanged(): void {
    // Only the platform's own account is called.
  }

  takeCall(): Call {
    this.left--;
    this.startedAtMs.push(performance.now());
    return {
      entry,
      meter,
      isKnownToFail: false,
      ended: (outcome, _nowMs, breakerClosed) => {
        this.outcomes.push({ kind: outcome.kind, breakerClosed });
        if (outcome.kind === 'accepted') this.accepted++;
        else this.left++;
      },
    };
  }
}

const limited = { 'stripe-rate-limited-reason': 'global-rate' };

interface Consumer {
  readonly dispatcher: RunningDispatcher;
  readonly registry: Registry;
}

async function consumerOf(namespace: string, base: string, ratePerS: number): Promise<Consumer> {
  const { redisUrl } = sharedServices();
  const redis = connectRedis(new Secret(redisUrl), { name: 'dispatcher-test', log });
  onTestFinished(() => redis.disconnect());
  await untilReady(redis);
  const registry = createRegistry('consumer');
  const breakers = createBreakers(providerAt(base), { resetMs: 300 });
  const limit = { keyPrefix: clusterKeyPrefix(namespace), provider: 'stripe', endpoint: 'v1-meter-events', log };
  const limiterOf = () => createRedisLimiter({ ...limit, redis, credential: () => 'sk_test_1', ratePerS });
  const limiters = createLimiters(limiterOf, ratePerS);
  const dispatcher = runDispatcher({ provider: breakers, limiters, concurrency: 64, registry, log });
  onTestFinished(async () => {
    await dispatcher.stop();
    breakers.stop();
  });
  return { dispatcher, registry };
}

describe('the dispatchers of a cluster', () => {
  it('together keep to the limit in every second, the first included, and use most of it', async () => {
    const ratePerS = 300;
    const { base } = await scriptedStripe(accept);
    const { namespace } = sharedServices();
    const backlogs = [new Backlog(300), new Backlog(300), new Backlog(300)];
    for (const backlog of backlogs) (await consumerOf(namespace, base, ratePerS)).dispatcher.add(backlog);
    await until(() => backlogs.every(({ accepted }) => accepted === 300), { deadlineMs: 30_000 });
    const startedAtMs = backlogs.flatMap((backlog) => backlog.startedAtMs).sort((a, b) => a - b);
    const most = 1.05 * ratePerS;
    for (let index = 0; index + most < startedAtMs.length; index++) {
      expect(startedAtMs[index + most]! - startedAtMs[index]!).toBeGreaterThan(1_000);
    }
    const seconds = (startedAtMs.at(-1)! - startedAtMs[0]!) / 1_000;
    // 95 % on a machine that has time; a busy one misses slots, which are not caught up.
    expect(startedAtMs.length / seconds).toBeGreaterThan(ratePerS / 4);
  });

  it('stop calling a provider that fails, try it with one call at a time, and go on when it answers', async () => {
    let reply: Reply = json(500, { error: { type: 'api_error', message: 'Sorry.' } });
    const stripe = await scriptedStripe((response, call) => reply(response, call));
    const { dispatcher, registry } = await consumerOf(sharedServices().namespace, stripe.base, 1_000);
    const backlog = new Backlog(200);
    dispatcher.add(backlog);
    const stateOf = async (state: string): Promise<boolean> =>
      (await registry.metrics()).includes(`tallyman_consumer_breaker_state{state="${state}",service="consumer"} 1`);
    await until(() => stateOf('open'));
    await until(() => dispatcher.inFlightOf(backlog) === 0);
    const before = stripe.seen.length;
    await until(() => stripe.seen.length >= before + 2);
    await until(() => dispatcher.inFlightOf(backlog) === 0);
    // Probes, one per 300 ms: not the two hundred that are waiting.
    expect(stripe.seen.length).toBeLessThan(before + 50);
    expect(backlog.outcomes.at(-1)).toEqual({ kind: 'unknown', breakerClosed: false });
    reply = accept;
    await until(() => backlog.accepted === 200);
    expect(await stateOf('closed')).toBe(true);
  });

  it('halve their rate within a second, all of them, when the provider answers 429 with its reason', async () => {
    let reply: Reply = accept;
    const { base } = await scriptedStripe((response, call) => reply(response, call));
    const { namespace } = sharedServices();
    const [one, two] = [await consumerOf(namespace, base, 500), await consumerOf(namespace, base, 500)];
    const backlogs = [new Backlog(1_000_000), new Backlog(1_000_000)];
    one.dispatcher.add(backlogs[0]!);
    two.dispatcher.add(backlogs[1]!);
    await until(() => backlogs.every(({ accepted }) => accepted > 50));
    const rateOf = async ({ registry }: Consumer): Promise<number> => {
      const [, rate = ''] = /tallyman_consumer_rate_per_second\{[^}]*\} (\S+)/.exec(await registry.metrics()) ?? [];
      return Number(rate);
    };
    const before = await rateOf(one);
    reply = json(429, { error: { type: 'invalid_request_error', message: 'Slow down.' } }, limited);
    const sinceMs = performance.now();
    await until(async () => Math.max(await rateOf(one), await rateOf(two)) <= 0.52 * before, { intervalMs: 5 });
    expect(performance.now() - sinceMs).toBeLessThan(1_000);
    reply = accept;
    expect(await one.registry.metrics()).toContain(
      'tallyman_consumer_rate_limited_reason{reason="global-rate",service="consumer"} 1',
    );
    const lowest = await rateOf(one);
    await until(async () => (await rateOf(one)) > lowest * 1.05);
  });

  it('start nothing more once they stop, and let running calls end before', async () => {
    const answers: (() => void)[] = [];
    const stripe = await scriptedStripe((response, call) => void answers.push(() => void accept(response, call)));
    const { dispatcher, registry } = await consumerOf(sharedServices().namespace, stripe.base, 1_000);
    const backlog = new Backlog(1);
    dispatcher.add(backlog);
    await until(() => answers.length === 1);
    backlog.left = 5;
    const stopped = dispatcher.stop();
    dispatcher.wake();
    expect(dispatcher.inFlightOf(backlog)).toBe(1);
    answers[0]!();
    await stopped;
    expect(backlog.accepted).toBe(1);
    expect(stripe.seen).toHaveLength(1);
    expect(await registry.metrics()).toContain(
      'tallyman_consumer_provider_calls_total{outcome="accepted",service="consumer"} 1',
    );
  });
});
