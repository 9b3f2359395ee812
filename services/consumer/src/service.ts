import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerConnection, type BrokerSession } from '../../../shared/amqp/connection.ts';
import { type Readiness, type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import { EntryBook } from '../../../shared/journal/entry-book.ts';
import { createRedisJournal } from '../../../shared/journal/redis-journal.ts';
import type { Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import { patient, precise } from '../../../shared/limiter/pace.ts';
import { createRedisLimiter } from '../../../shared/limiter/redis-limiter.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { Troubles } from '../../../shared/log/troubles.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import { connectRedis, type Redis, untilReady } from '../../../shared/redis/client.ts';
import { RedisRefusals } from '../../../shared/redis/refusals.ts';
import { listenToScripts } from '../../../shared/redis/script.ts';
import { clusterKeyPrefix } from '../../../shared/topology/names.ts';
import { type Topology, topologyName } from '../../../shared/topology/record.ts';
import { AgeWatch } from './age-watch.ts';
import { type ConsumerConfig, isLiveKey } from './config.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters/dead-letters.ts';
import { createLimiters, type Limiters, meterEventLimits } from './dispatch/limiters.ts';
import { type RunningDispatcher, runDispatcher } from './dispatch/run-dispatcher.ts';
import { noteDeletionCost } from './kubernetes/pod.ts';
import { type MeterCatalogSource, startCatalog } from './meters/catalog.ts';
import { registerConsumerMetrics } from './metrics.ts';
import { distrust } from './ownership/distrust.ts';
import { Member } from './ownership/member.ts';
import { createMembership, type Membership } from './ownership/membership.ts';
import { agesOf, heldBy, noTotals } from './ownership/stats.ts';
import { type Late, Outages, watchOutages } from './outages.ts';
import { checkBroker, checkRedis } from './preflight.ts';
import { type Breakers, createBreakers, platform } from './provider/breakers.ts';
import { createStripeProvider, type StripeProvider } from './provider/stripe.ts';
import { lookEveryMs, ReturnedMeters } from './replay/returned-meters.ts';
import type { ShardRunner } from './shard/runner.ts';
import { registerStockMetrics } from './stock/metrics.ts';
import { Stock } from './stock/stock.ts';
import { untilTopology } from './topology.ts';

const haltedPollMs = 5_000;
/** Leases are held for 0.9 of the lease time and renewed every sixth of it. */
const longestCallPart = 0.65;

/**
 * A consumer: a member of the cluster that owns shards, counts what their queues hold and drives it to Stripe.
 *
 * starting: connects, verifies the topology, learns the meters. member: owns shards. halted: Redis contradicts what this
 * process knows; it stands still until a person has run `npm run recover`, then it starts as a new member.
 */
export class ConsumerService implements Service {
  readonly #config: ConsumerConfig;
  readonly #log: Logger;
  readonly #lifecycle: Lifecycle;
  readonly #registry = createRegistry('consumer');
  readonly #past = noTotals();
  readonly #stopping = new AbortController();
  readonly #broker: BrokerConnection;
  readonly #troubles: Troubles;
  readonly #refusals: RedisRefusals;
  readonly #deadLetters: DeadLetters;
  #session: BrokerSession | undefined;
  #redis: Redis | undefined;
  #http: RunningHttp | undefined;
  #provider: StripeProvider | undefined;
  #breakers: Breakers | undefined;
  #limiters: Limiters | undefined;
  #dispatcher: RunningDispatcher | undefined;
  #catalog: MeterCatalogSource | undefined;
  #member: Member | undefined;
  #stock: Stock | undefined;
  #haltReason: string | undefined;
  /** All was there but the provider's list of meters, and it has not joined since. */
  #awaitsMeters = false;

  constructor(config: ConsumerConfig, log: Logger, lifecycle: Lifecycle) {
    this.#config = config;
    this.#log = log;
    this.#lifecycle = lifecycle;
    this.#troubles = new Troubles(log);
    this.#refusals = new RedisRefusals(this.#troubles);
    const toBroker = { readUrl: () => config.amqpUrl.reveal(), ca: config.ca };
    this.#broker = new BrokerConnection({ ...toBroker, name: 'tallyman consumer', log });
    this.#deadLetters = openDeadLetters(toBroker, { log, namespace: config.namespace, troubles: this.#troubles });
  }

  async start(): Promise<void> {
    const { namespace, redisUrl, ca, leaseMs } = this.#config;
    this.#http = await startHttp({
      config: this.#config.http,
      log: this.#log,
      registry: this.#registry,
      readiness: () => this.#readiness(),
    });
    this.#registerMetrics();
    this.#broker.onConnected((session) => {
      if (session.generation === 1) checkBroker(session, this.#log, this.#troubles);
      this.#session = session;
      this.#member?.brokerConnected(session);
    });
    this.#broker.onLost(() => {
      this.#session = undefined;
      this.#member?.brokerLost();
    });
    this.#broker.start();
    // An answer that comes later than this is of no use to a lease.
    const commandTimeoutMs = Math.min(5_000, Math.max(500, leaseMs / 2));
    const redis = connectRedis(redisUrl, {
      name: 'tallyman-consumer',
      log: this.#log,
      troubles: this.#troubles,
      ca,
      commandTimeoutMs,
    });
    this.#redis = redis;
    listenToScripts(redis, this.#refusals);
    this.#startProvider(redis, clusterKeyPrefix(namespace));
    await untilReady(redis);
    await checkRedis(redis, this.#log, this.#troubles);
    this.#stock = new Stock({
      ...this.#config,
      redis,
      // Before it is a member, or while it is halted, the topology is a person's business.
      channels: () => (this.#member === undefined ? undefined : this.#session),
      troubles: this.#troubles,
      log: this.#log,
    });
    const watch = new AgeWatch(this.#troubles);
    void this.#stock.keep(this.#stopping.signal, () =>
      watch.look(agesOf(this.#runners, this.#past, performance.now())),
    );
    await this.#enter(redis);
    const { pod } = this.#config;
    if (pod !== undefined)
      void noteDeletionCost(
        { ...pod, log: this.#log, messagesHeld: () => heldBy(this.#runners).messagesHeld },
        this.#stopping.signal,
      );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#member?.leave();
    await this.#dispatcher?.stop();
    this.#catalog?.stop();
    this.#breakers?.stop();
    this.#provider?.close();
    await Promise.all([this.#broker.stop(), this.#deadLetters.stop()]);
    this.#redis?.disconnect();
    await this.#http?.stop(500);
  }

  /** Becomes a member, as soon as the topology is verified and the meters are known. */
  async #enter(redis: Redis): Promise<void> {
    const { namespace, shards } = this.#config;
    const catalog = this.#catalog;
    const dispatcher = this.#dispatcher;
    if (catalog === undefined || dispatcher === undefined)
      throw new Error('A member needs a catalog and a dispatcher.');
    const { signal } = this.#stopping;
    const topology = await untilTopology({
      redis,
      namespace,
      shards,
      session: () => this.#session,
      troubles: this.#troubles,
      signal,
    });
    await catalog.untilKnown(signal, () => {
      this.#awaitsMeters = true;
    });
    signal.throwIfAborted();
    const name = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
    const membership = createMembership(redis, namespace);
    const member = new Member(
      name,
      {
        ...this.#config,
        shard: this.#config,
        incarnation: topology.incarnation,
        slots: topology.slots,
        callTimeoutMs: this.#callTimeoutMs(),
      },
      {
        broker: this.#broker,
        membership,
        journalOf: (shard, format) => createRedisJournal({ redis, namespace, shard, shards, format }),
        dispatcher,
        deadLetters: this.#deadLetters,
        troubles: this.#troubles,
        log: this.#log,
        catalog: () => catalog.current(),
        needCatalog: (account) => catalog.refresh(account),
        budgetPerS: () => precise.aim * (this.#limiters?.rate.perS ?? 1),
        past: this.#past,
        halted: (fault, lost) => void this.#halt(member, fault, lost ? membership : undefined, topology, redis),
      },
    );
    this.#member = member;
    this.#haltReason = undefined;
    member.start(this.#session);
    this.#log.info({ member: name, incarnation: topology.incarnation }, 'Joined the cluster.');
  }

  /**
   * Nothing is written and nothing is sent any more, until the topology is another one. `membership`: when Redis has lost
   * writes, the others are told: who has not seen what is lost would take this member's shards, and bill what it has sent already.
   */
  async #halt(
    member: Member,
    fault: string,
    membership: Membership | undefined,
    before: Topology,
    redis: Redis,
  ): Promise<void> {
    if (this.#member !== member) return;
    this.#member = undefined;
    this.#haltReason = fault;
    const callsOver = member.abandon();
    const { namespace, shards } = this.#config;
    const { signal } = this.#stopping;
    try {
      const told =
        membership === undefined ? undefined : distrust(membership, before.incarnation, this.#troubles, signal);
      for (;;) {
        this.#troubles.tell({
          reason: 'halted',
          level: 'error',
          message:
            'Halted: Redis contradicts what this consumer has seen. No usage is lost or sent; a person has to act.',
          fields: { fault },
          remark: fault,
        });
        const topology = await untilTopology({
          redis,
          namespace,
          shards,
          session: () => this.#session,
          troubles: this.#troubles,
          signal,
        });
        if (topologyName(topology) !== topologyName(before)) break;
        await sleep(haltedPollMs, undefined, { signal });
      }
      await Promise.all([told, callsOver]);
      this.#troubles.over('halted', 'A person has acted: this consumer joins the cluster anew.');
      await this.#enter(redis);
    } catch (error) {
      if (!signal.aborted) this.#lifecycle.fail(error);
    }
  }

  get #runners(): Iterable<ShardRunner> {
    return this.#member?.shards.runners.values() ?? [];
  }

  async #late(): Promise<Late> {
    await this.#stock?.look();
    return { ...heldBy(this.#runners), messagesWaiting: this.#stock?.messagesWaiting };
  }

  #startProvider(redis: Redis, keyPrefix: string): void {
    const { stripeApiKey, stripeApiBase, stripeConcurrency, stripeRatePerS, stripeShare } = this.#config;
    const isLive = isLiveKey(stripeApiKey.reveal());
    this.#provider = createStripeProvider({
      apiKey: stripeApiKey,
      apiBase: stripeApiBase,
      timeoutMs: this.#callTimeoutMs(),
      concurrency: stripeConcurrency,
    });
    this.#breakers = createBreakers(this.#provider);
    watchOutages(new Outages(this.#log, () => this.#late()), this.#broker, redis, this.#breakers);
    const limits = meterEventLimits(isLive, stripeRatePerS, stripeShare);
    const limiterOf = (account: string) =>
      createRedisLimiter({
        redis,
        keyPrefix,
        provider: 'stripe',
        credential: () => stripeApiKey.reveal(),
        endpoint: 'v1-meter-events',
        log: this.#log,
        ...(account === platform
          ? { ratePerS: limits.ratePerS }
          : { ratePerS: limits.connectedRatePerS, account, precision: patient }),
      });
    this.#limiters = createLimiters(limiterOf, limits.ratePerS);
    this.#dispatcher = runDispatcher({
      provider: this.#breakers,
      limiters: this.#limiters,
      concurrency: stripeConcurrency,
      registry: this.#registry,
      log: this.#log,
    });
    this.#catalog = startCatalog({ provider: this.#provider, redis, keyPrefix, log: this.#log });
    const returnedMeters = new ReturnedMeters({
      book: new EntryBook(redis, this.#config.namespace),
      ownedShards: () => this.#member?.shards.runners.keys() ?? [],
      needMeters: (account) => this.#catalog?.refresh(account),
      log: this.#log,
    });
    this.#catalog.onRead((catalog, account) => {
      this.#member?.shards.catalogRead(catalog, account);
      void returnedMeters.look(catalog);
    });
    // What could not be looked through then: another list had just come, Redis was away, the shard was another's.
    const again = setInterval(() => {
      if (this.#member !== undefined && this.#catalog !== undefined) void returnedMeters.look(this.#catalog.current());
    }, lookEveryMs);
    this.#stopping.signal.addEventListener('abort', () => clearInterval(again), { once: true });
  }

  /** A call only starts while the lease lasts longer than it may; a renewed lease must leave room for that. */
  #callTimeoutMs(): number {
    return Math.min(this.#config.stripeTimeoutMs, Math.floor(this.#config.leaseMs * longestCallPart));
  }

  #registerMetrics(): void {
    registerConsumerMetrics(this.#registry, {
      runners: () => this.#runners,
      past: () => this.#past,
      members: () => this.#member?.members.length ?? 0,
      halted: () => this.#haltReason !== undefined,
      meterListsUnread: () => this.#catalog?.unread.count ?? 0,
      windowMs: () => this.#member?.shards.windows.windowMs ?? this.#config.windowMs,
      capacityRatio: () => this.#member?.shards.windows.capacityRatio ?? 0,
      deadLettersWaiting: () => this.#deadLetters.waiting,
      brokerBlocked: () => this.#deadLetters.isBlocked,
      redisRefuses: () => this.#refusals.isOn,
      journalsUnreadable: () => this.#member?.unreadableJournals.count ?? 0,
    });
    registerStockMetrics(this.#registry, () => this.#stock);
  }

  #readiness(): Readiness {
    const reasons: string[] = [];
    const isMember = this.#member?.isMember === true;
    if (isMember) this.#awaitsMeters = false;
    if (this.#lifecycle.state === 'draining') reasons.push('It is draining.');
    if (this.#haltReason !== undefined) reasons.push(this.#haltReason);
    if (this.#session === undefined) reasons.push('There is no connection to the broker.');
    if (this.#redis?.status !== 'ready') reasons.push('There is no connection to Redis.');
    if (this.#refusals.isOn) reasons.push('Redis refuses writes.');
    // Not for want of the meters: the provider's state never changes readiness, or no rollout would end while it is away.
    if (reasons.length === 0 && !isMember && !this.#awaitsMeters)
      reasons.push('It is not a member of the cluster yet; usage waits in the broker. Was npm run topology run?');
    return {
      ready: reasons.length === 0,
      state: this.#lifecycle.state,
      reasons,
      remarks: [
        ...new Set([
          ...(this.#catalog?.unread.remarks ?? []),
          ...(this.#dispatcher?.remarks() ?? []),
          ...this.#broker.remarks,
          ...this.#deadLetters.remarks,
          ...this.#troubles.remarks,
          ...(this.#stock?.remarks ?? []),
        ]),
      ],
    };
  }
}
