import { EntryBook } from '../../../shared/journal/entry-book.ts';
import { patient } from '../../../shared/limiter/pace.ts';
import { createRedisLimiter } from '../../../shared/limiter/redis-limiter.ts';
import { stopInTurn } from '../../../shared/lifecycle/stop-in-turn.ts';
import type { Logger } from '../../../shared/log/log.ts';
import type { Troubles } from '../../../shared/log/troubles.ts';
import type { Registry } from '../../../shared/metrics/metrics.ts';
import type { Redis } from '../../../shared/redis/client.ts';
import { clusterKeyPrefix } from '../../../shared/topology/names.ts';
import { type ConsumerConfig, isLiveKey } from './config.ts';
import { createLimiters, type Limiters, meterEventLimits } from './dispatch/limiters.ts';
import { type RunningDispatcher, runDispatcher } from './dispatch/run-dispatcher.ts';
import { type MeterCatalogSource, startCatalog } from './meters/catalog.ts';
import type { Member } from './ownership/member.ts';
import { type Breakers, createBreakers, platform } from './provider/breakers.ts';
import { countMembers, isKeyHeldBack, untilKeyMayJoin } from './provider/key-gate.ts';
import { createStripeProvider } from './provider/stripe.ts';
import { lookEveryMs, ReturnedMeters } from './replay/returned-meters.ts';

/** The consumer's side towards the billing provider: its meters, and the calls to it. It outlives memberships. */
export interface Billing {
  readonly breakers: Breakers;
  readonly limiters: Limiters;
  readonly dispatcher: RunningDispatcher;
  readonly catalog: MeterCatalogSource;
  readonly returnedMeters: Pick<ReturnedMeters, 'parked'>;
  /** Accounts whose meters cannot be read now; the platform's own is one of them, also while its key is what keeps this one out. */
  readonly meterListsUnread: number;
  /** What keeps usage from being billed at full speed, as sentences for a person. */
  readonly remarks: readonly string[];
  /** Resolves once the meters are known, and this consumer takes no shards from others with a key that is refused. */
  untilJoinable(waits: () => void): Promise<void>;
  stop(): Promise<void>;
}

export interface BillingOptions {
  readonly config: ConsumerConfig;
  readonly redis: Redis;
  readonly registry: Registry;
  readonly log: Logger;
  readonly troubles: Troubles;
  /** Who owns shards now. */
  readonly member: () => Member | undefined;
  readonly signal: AbortSignal;
}

/** Leases are held for 0.9 of the lease time and renewed every sixth of it. */
const longestCallPart = 0.65;

/** A call only starts while the lease lasts longer than it may; a renewed lease must leave room for that. */
export function callTimeoutMs({ stripeTimeoutMs, leaseMs }: ConsumerConfig): number {
  return Math.min(stripeTimeoutMs, Math.floor(leaseMs * longestCallPart));
}

export function startBilling({ config, redis, registry, log, troubles, member, signal }: BillingOptions): Billing {
  const { namespace, stripeApiKey, stripeApiBase, stripeConcurrency, stripeRatePerS, stripeShare } = config;
  const keyPrefix = clusterKeyPrefix(namespace);
  const isLive = isLiveKey(stripeApiKey.reveal());
  const provider = createStripeProvider({
    apiKey: stripeApiKey,
    apiBase: stripeApiBase,
    timeoutMs: callTimeoutMs(config),
    concurrency: stripeConcurrency,
  });
  const breakers = createBreakers(provider);
  const limits = meterEventLimits(isLive, stripeRatePerS, stripeShare);
  const limiterOf = (account: string) =>
    createRedisLimiter({
      redis,
      keyPrefix,
      provider: 'stripe',
      credential: () => stripeApiKey.reveal(),
      endpoint: 'v1-meter-events',
      log,
      ...(account === platform
        ? { ratePerS: limits.ratePerS }
        : { ratePerS: limits.connectedRatePerS, account, precision: patient }),
    });
  const limiters = createLimiters(limiterOf, limits.ratePerS);
  const dispatcher = runDispatcher({ provider: breakers, limiters, concurrency: stripeConcurrency, registry, log });
  const catalog = startCatalog({ provider, redis, keyPrefix, log });
  const returnedMeters = new ReturnedMeters({
    book: new EntryBook(redis, namespace),
    ownedShards: () => member()?.shards.runners ?? new Map(),
    needMeters: (account) => catalog.refresh(account),
    log,
  });
  catalog.onRead((read, account) => {
    member()?.shards.catalogRead(read, account);
    void returnedMeters.look(read, account);
  });
  // What was not looked through then: it had been within the minute, Redis was away, the shard was another's.
  const again = setInterval(() => {
    if (member() !== undefined) void returnedMeters.look(catalog.current());
  }, lookEveryMs);
  signal.addEventListener('abort', () => clearInterval(again), { once: true });
  return {
    breakers,
    limiters,
    dispatcher,
    catalog,
    returnedMeters,
    get meterListsUnread() {
      return Math.max(catalog.unread.count, isKeyHeldBack(troubles) ? 1 : 0);
    },
    get remarks() {
      return [...catalog.unread.remarks, ...dispatcher.remarks()];
    },
    async untilJoinable(waits) {
      await catalog.untilKnown(signal, waits);
      await untilKeyMayJoin({
        keyRefusal: () => provider.keyRefusal(),
        members: () => countMembers(redis, namespace),
        troubles,
        log,
        signal,
        waits,
      });
    },
    async stop() {
      await stopInTurn(log, [
        { dispatcher: () => dispatcher.stop() },
        { catalog: () => catalog.stop(), breakers: () => breakers.stop(), provider: () => provider.close() },
      ]);
    },
  };
}
