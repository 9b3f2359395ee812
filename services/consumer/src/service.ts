import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { BrokerConnection, type BrokerSession } from '../../../shared/amqp/connection.ts';
import { type Readiness, type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import { createRedisJournal } from '../../../shared/journal/redis-journal.ts';
import type { Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import { stopInTurn } from '../../../shared/lifecycle/stop-in-turn.ts';
import { precise } from '../../../shared/limiter/pace.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { Troubles } from '../../../shared/log/troubles.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import { connectRedis, type Redis, untilReady } from '../../../shared/redis/client.ts';
import { RedisRefusals } from '../../../shared/redis/refusals.ts';
import { listenToScripts } from '../../../shared/redis/script.ts';
import { type Billing, callTimeoutMs, startBilling } from './billing.ts';
import type { ConsumerConfig } from './config.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters/dead-letters.ts';
import { AgeWatch } from './health/age-watch.ts';
import { type Late, Outages, watchOutages } from './health/outages.ts';
import { isRedisUnsafe, watchRedis } from './health/redis-watch.ts';
import { noteDeletionCost } from './kubernetes/pod.ts';
import { registerConsumerMetrics } from './metrics.ts';
import { Member } from './ownership/member.ts';
import { MemberLives } from './ownership/member-lives.ts';
import { createMembership } from './ownership/membership.ts';
import { agesOf, heldBy, noTotals } from './ownership/stats.ts';
import { checkBroker } from './preflight.ts';
import { readinessOf } from './readiness.ts';
import { entriesFail } from './shard/parked-log.ts';
import type { ShardRunner } from './shard/runner.ts';
import { registerStockMetrics } from './stock/metrics.ts';
import { Stock } from './stock/stock.ts';
import { untilTopology } from './topology.ts';
import { leaveView } from './view/leave-view.ts';

/** A consumer: connects, and joins the cluster (member-lives.ts) to count what its shards' queues hold and drive it to Stripe. */
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
  #billing: Billing | undefined;
  #lives: MemberLives | undefined;
  #stock: Stock | undefined;
  #removeView: (() => Promise<void>) | undefined;

  constructor(config: ConsumerConfig, log: Logger, lifecycle: Lifecycle) {
    this.#config = config;
    this.#log = log;
    this.#lifecycle = lifecycle;
    this.#troubles = new Troubles(log);
    this.#refusals = new RedisRefusals(this.#troubles);
    const toBroker = { readUrl: () => config.amqpUrl.reveal(), ca: config.ca };
    this.#broker = new BrokerConnection({
      ...toBroker,
      name: 'tallyman consumer',
      log,
      means: 'What is in the broker waits there and is billed later; none is lost.',
    });
    this.#deadLetters = openDeadLetters(toBroker, { log, namespace: config.namespace, troubles: this.#troubles });
  }

  async start(): Promise<void> {
    const { redisUrl, ca, leaseMs } = this.#config;
    this.#http = await startHttp({
      config: this.#config.http,
      log: this.#log,
      registry: this.#registry,
      readiness: () => this.#readiness(),
    });
    this.#registerMetrics();
    this.#connectBroker();
    // An answer that comes later than this is of no use to a lease.
    const commandTimeoutMs = Math.min(5_000, Math.max(500, leaseMs / 2));
    const [log, troubles] = [this.#log, this.#troubles];
    const redis = connectRedis(redisUrl, { name: 'tallyman-consumer', log, troubles, ca, commandTimeoutMs });
    this.#redis = redis;
    listenToScripts(redis, this.#refusals);
    this.#removeView = leaveView({
      ...this.#config,
      redis,
      member: () => (this.#member?.isMember === true ? this.#member.name : undefined),
      readiness: () => this.#readiness(),
      known: () => [...(this.#stock?.remarks ?? []), entriesFail],
      held: () => heldBy(this.#runners),
      log: this.#log,
    });
    this.#billing = startBilling({
      config: this.#config,
      redis,
      registry: this.#registry,
      log: this.#log,
      troubles: this.#troubles,
      member: () => this.#member,
      signal: this.#stopping.signal,
    });
    watchOutages(new Outages(log, () => this.#late()), this.#broker, redis, this.#refusals, this.#billing.breakers);
    await untilReady(redis);
    await watchRedis(redis, { log, troubles, signal: this.#stopping.signal });
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
    this.#lives = this.#livesIn(redis, this.#billing);
    await this.#lives.join();
    const { pod } = this.#config;
    const messagesHeld = (): number => heldBy(this.#runners).messagesHeld;
    if (pod !== undefined) void noteDeletionCost({ ...pod, log, messagesHeld }, this.#stopping.signal);
  }

  #connectBroker(): void {
    this.#broker.onConnected((session) => {
      checkBroker(session, this.#log, this.#troubles);
      this.#session = session;
      this.#member?.brokerConnected(session);
    });
    this.#broker.onLost(() => {
      this.#session = undefined;
      this.#member?.brokerLost();
    });
    this.#broker.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await stopInTurn(this.#log, [
      { member: () => this.#lives?.leave() },
      { billing: () => this.#billing?.stop() },
      {
        broker: () => this.#broker.stop(),
        deadLetters: () => this.#deadLetters.stop(),
        view: () => this.#removeView?.(),
      },
      { redis: () => this.#redis?.disconnect() },
      { listener: () => this.#http?.stop(500) },
    ]);
  }

  #livesIn(redis: Redis, billing: Billing): MemberLives {
    const { namespace, shards } = this.#config;
    const { signal } = this.#stopping;
    const [log, troubles] = [this.#log, this.#troubles];
    const membership = createMembership(redis, namespace);
    const session = (): BrokerSession | undefined => this.#session;
    return new MemberLives({
      membership,
      session,
      untilTopology: () => untilTopology({ redis, namespace, shards, session, troubles, signal }),
      untilJoinable: (waits) => billing.untilJoinable(waits),
      create: ({ incarnation, slots }, halted) =>
        new Member(
          `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
          { ...this.#config, shard: this.#config, incarnation, slots, callTimeoutMs: callTimeoutMs(this.#config) },
          {
            broker: this.#broker,
            membership,
            journalOf: (shard, format) => createRedisJournal({ redis, namespace, shard, shards, format }),
            dispatcher: billing.dispatcher,
            deadLetters: this.#deadLetters,
            troubles,
            log,
            catalog: () => billing.catalog.current(),
            needCatalog: (account) => billing.catalog.refresh(account),
            parked: (shard, entries) => billing.returnedMeters.parked(shard, entries),
            budgetPerS: () => precise.aim * billing.limiters.rate.perS,
            past: this.#past,
            halted,
          },
        ),
      troubles,
      log,
      fail: (error) => this.#lifecycle.fail(error),
      signal,
    });
  }

  get #member(): Member | undefined {
    return this.#lives?.member;
  }

  get #runners(): Iterable<ShardRunner> {
    return this.#member?.shards.runners.values() ?? [];
  }

  async #late(): Promise<Late> {
    await this.#stock?.look();
    return { ...heldBy(this.#runners), messagesWaiting: this.#stock?.messagesWaiting };
  }

  #registerMetrics(): void {
    registerConsumerMetrics(this.#registry, {
      runners: () => this.#runners,
      past: () => this.#past,
      members: () => this.#member?.members.length ?? 0,
      halted: () => this.#lives?.haltedFor !== undefined,
      meterListsUnread: () => this.#billing?.meterListsUnread ?? 0,
      windowMs: () => this.#member?.shards.windows.windowMs ?? this.#config.windowMs,
      capacityRatio: () => this.#member?.shards.windows.capacityRatio ?? 0,
      deadLettersWaiting: () => this.#deadLetters.waiting,
      brokerBlocked: () => this.#deadLetters.isBlocked,
      redisRefuses: () => this.#refusals.isOn,
      redisUnsafe: () => isRedisUnsafe(this.#troubles),
      journalsUnreadable: () => this.#member?.unreadableJournals.count ?? 0,
    });
    registerStockMetrics(this.#registry, () => this.#stock);
  }

  #readiness(): Readiness {
    const { haltedFor, awaitsProvider = false } = this.#lives ?? {};
    return readinessOf({
      state: this.#lifecycle.state,
      isMember: this.#member?.isMember === true,
      haltedFor,
      awaitsProvider,
      hasBroker: this.#session !== undefined,
      hasRedis: this.#redis?.status === 'ready',
      redisRefuses: this.#refusals.isOn,
      remarks: [
        ...(this.#billing?.remarks ?? []),
        ...this.#broker.remarks,
        ...this.#deadLetters.remarks,
        ...this.#troubles.remarks,
        ...(this.#stock?.remarks ?? []),
      ],
    });
  }
}
