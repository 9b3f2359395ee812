import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerConnection, type BrokerSession } from '../../../shared/amqp/connection.ts';
import { type Readiness, type RunningHttp, startHttp } from '../../../shared/http/server.ts';
import { createRedisJournal } from '../../../shared/journal/redis-journal.ts';
import type { Lifecycle, Service } from '../../../shared/lifecycle/lifecycle.ts';
import { precise } from '../../../shared/limiter/pace.ts';
import type { Logger } from '../../../shared/log/log.ts';
import { Troubles } from '../../../shared/log/troubles.ts';
import { createRegistry } from '../../../shared/metrics/metrics.ts';
import { connectRedis, type Redis, untilReady } from '../../../shared/redis/client.ts';
import { RedisRefusals } from '../../../shared/redis/refusals.ts';
import { listenToScripts } from '../../../shared/redis/script.ts';
import { type Topology, topologyName } from '../../../shared/topology/record.ts';
import { type Billing, callTimeoutMs, startBilling } from './billing.ts';
import type { ConsumerConfig } from './config.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters/dead-letters.ts';
import { AgeWatch } from './health/age-watch.ts';
import { type Late, Outages, watchOutages } from './health/outages.ts';
import { isRedisUnsafe, watchRedis } from './health/redis-watch.ts';
import { noteDeletionCost } from './kubernetes/pod.ts';
import { registerConsumerMetrics } from './metrics.ts';
import { distrust } from './ownership/distrust.ts';
import { Member } from './ownership/member.ts';
import { createMembership, type Membership } from './ownership/membership.ts';
import { agesOf, heldBy, noTotals } from './ownership/stats.ts';
import { checkBroker } from './preflight.ts';
import { entriesFail } from './shard/parked-log.ts';
import type { ShardRunner } from './shard/runner.ts';
import { registerStockMetrics } from './stock/metrics.ts';
import { Stock } from './stock/stock.ts';
import { untilTopology } from './topology.ts';
import { leaveView } from './view/leave-view.ts';

const haltedPollMs = 5_000;

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
  #billing: Billing | undefined;
  #member: Member | undefined;
  #stock: Stock | undefined;
  #removeView: (() => Promise<void>) | undefined;
  #haltReason: string | undefined;
  /** All was there but the provider's list of meters, or its yes to the key, and it has not joined since. */
  #awaitsProvider = false;

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
    watchOutages(
      new Outages(this.#log, () => this.#late()),
      this.#broker,
      redis,
      this.#refusals,
      this.#billing.breakers,
    );
    await untilReady(redis);
    await watchRedis(redis, { log: this.#log, troubles: this.#troubles, signal: this.#stopping.signal });
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
    await this.#billing?.stop();
    await Promise.all([this.#broker.stop(), this.#deadLetters.stop(), this.#removeView?.()]);
    this.#redis?.disconnect();
    await this.#http?.stop(500);
  }

  /** Becomes a member, as soon as the topology is verified and the meters are known. */
  async #enter(redis: Redis): Promise<void> {
    const { namespace, shards } = this.#config;
    if (this.#billing === undefined) throw new Error('A member needs a catalog and a dispatcher.');
    const { catalog, dispatcher, limiters, returnedMeters } = this.#billing;
    const { signal } = this.#stopping;
    const session = (): BrokerSession | undefined => this.#session;
    const verified = () => untilTopology({ redis, namespace, shards, session, troubles: this.#troubles, signal });
    let topology = await verified();
    await this.#billing.untilJoinable(() => {
      this.#awaitsProvider = true;
    });
    // A person may have changed it in that time.
    if (this.#awaitsProvider) topology = await verified();
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
        callTimeoutMs: callTimeoutMs(this.#config),
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
        parked: (shard, entries) => returnedMeters.parked(shard, entries),
        budgetPerS: () => precise.aim * limiters.rate.perS,
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
      this.#troubles.over('halted', 'The cluster was recovered: this consumer joins it again.');
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

  #registerMetrics(): void {
    registerConsumerMetrics(this.#registry, {
      runners: () => this.#runners,
      past: () => this.#past,
      members: () => this.#member?.members.length ?? 0,
      halted: () => this.#haltReason !== undefined,
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
    const reasons: string[] = [];
    const isMember = this.#member?.isMember === true;
    if (isMember) this.#awaitsProvider = false;
    if (this.#lifecycle.state === 'draining') reasons.push('It is draining.');
    if (this.#haltReason !== undefined) reasons.push(this.#haltReason);
    if (this.#session === undefined) reasons.push('There is no connection to the broker.');
    if (this.#redis?.status !== 'ready') reasons.push('There is no connection to Redis.');
    if (this.#refusals.isOn) reasons.push('Redis refuses writes.');
    // Not for want of the meters or of a key: the provider's state never changes readiness, or no rollout would end while it is away.
    if (reasons.length === 0 && !isMember && !this.#awaitsProvider)
      reasons.push('It is not a member of the cluster yet; usage waits in the broker. Was npm run topology run?');
    return {
      ready: reasons.length === 0,
      state: this.#lifecycle.state,
      reasons,
      remarks: [
        ...new Set([
          ...(this.#billing?.catalog.unread.remarks ?? []),
          ...(this.#billing?.dispatcher.remarks() ?? []),
          ...this.#broker.remarks,
          ...this.#deadLetters.remarks,
          ...this.#troubles.remarks,
          ...(this.#stock?.remarks ?? []),
        ]),
      ],
    };
  }
}
