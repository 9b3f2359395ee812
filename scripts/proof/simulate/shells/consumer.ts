import { Served } from '../../../../services/consumer/src/lanes/served.ts';
import type { MeterCatalog } from '../../../../services/consumer/src/meters/meter-list.ts';
import { OwnershipCore } from '../../../../services/consumer/src/ownership/core.ts';
import type { OwnershipEffect, OwnershipEvent } from '../../../../services/consumer/src/ownership/protocol.ts';
import { ShardCore } from '../../../../services/consumer/src/shard/core.ts';
import type { EndReason } from '../../../../services/consumer/src/shard/protocol.ts';
import { type JournalFormat, newestFormat, oldestFormat } from '../../../../shared/journal/format.ts';
import { BrokerClient } from './broker-client.ts';
import { CallRunner } from './call-runner.ts';
import { CatalogReader } from './catalog-reader.ts';
import { LeaseClient } from './lease-client.ts';
import { LetterLink } from './letter-link.ts';
import { Mailbox } from './mailbox.ts';
import type { ModelBroker } from '../models/model-broker.ts';
import type { ModelProvider } from '../models/model-provider.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import { RedisClient } from './redis-client.ts';
import { ShardRunner } from './shard-runner.ts';
import type { World } from '../models/world.ts';

export interface Services {
  readonly broker: ModelBroker;
  readonly redis: ModelRedis;
  readonly provider: ModelProvider;
  /** This consumer stands still: Redis contradicts what it has seen. */
  halted(consumer: Consumer): void;
}

/** One consumer: the simulation's shell of the ownership core, what `services/consumer/src/ownership/member.ts` is in a real one. */
export class Consumer {
  readonly process: Process;
  readonly broker: BrokerClient;
  readonly #letters: LetterLink;
  readonly redis: RedisClient;
  readonly #world: World;
  readonly #services: Services;
  readonly #random: Random;
  readonly #core: OwnershipCore;
  readonly #incarnation: string;
  readonly #runners = new Map<number, ShardRunner>();
  readonly #calls: CallRunner;
  readonly #mailbox: Mailbox;
  readonly #catalog: CatalogReader;
  readonly #leases: LeaseClient;
  readonly #served = new Served();
  #isLeaving = false;
  #windowMs: number;
  #isHalted = false;
  /** The newest journal format that its version reads. */
  readonly reads: JournalFormat;
  /** In which the cluster writes, as heartbeats told. */
  #format: JournalFormat = oldestFormat;

  constructor(
    world: World,
    services: Services,
    process: Process,
    random: Random,
    { incarnation, reads }: { readonly incarnation: string; readonly reads: JournalFormat },
  ) {
    this.reads = reads;
    this.#world = world;
    this.#services = services;
    this.#incarnation = incarnation;
    this.process = process;
    this.#random = random;
    const { shards, leaseMs, drainMs, callTimeoutMs } = world.profile;
    this.#windowMs = world.profile.windowMs;
    this.#core = new OwnershipCore({ member: process.name, shards, leaseMs, drainMs, callTimeoutMs });
    this.#mailbox = new Mailbox(process, random.fork(), world.profile.mailboxMs);
    this.redis = new RedisClient(world, services.redis, process, random.fork());
    this.#calls = new CallRunner({ ...services, world, process, random: random.fork(), client: this.redis });
    this.broker = new BrokerClient(world, services.broker, process, random.fork(), {
      connected: () => {
        this.#post({ type: 'broker_changed', connected: true });
        for (const runner of this.#runners.values()) runner.connected();
      },
      lost: () => this.#post({ type: 'broker_changed', connected: false }),
    });
    this.#letters = new LetterLink(world, services.broker, process, random);
    const post = (event: OwnershipEvent): void => this.#post(event);
    this.#leases = new LeaseClient({
      world,
      redis: services.redis,
      client: this.redis,
      process,
      formats: () => ({ reads, writes: this.#format }),
      post,
    });
    const read = (catalog: MeterCatalog, account: string, isFirst: boolean): void =>
      this.#catalogRead(catalog, account, isFirst);
    this.#catalog = new CatalogReader(process, services.provider, world.profile, world.tally, read);
    this.#tick();
  }

  get owned(): readonly number[] {
    return this.#core.owned;
  }

  /** Deliveries that it knows of and has not acked. */
  get held(): number {
    return [...this.#runners.values()].reduce((sum, { core }) => sum + core.held, 0);
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** As pressure would. */
  changeWindow(windowMs: number): void {
    this.process.receive(() => {
      this.#windowMs = windowMs;
      for (const runner of this.#runners.values()) runner.post({ type: 'window_changed', windowMs });
    });
  }

  /** SIGTERM. */
  leave(): void {
    this.process.receive(() => {
      this.#isLeaving = true;
      if (this.#catalog.current === undefined) this.#exit();
      else this.#post({ type: 'left' });
    });
  }

  /** Calls a shard's runner, if it has one: for faults that happen to a shard's channel. */
  get runners(): ReadonlyMap<number, ShardRunner> {
    return this.#runners;
  }

  #tick(): void {
    this.#catalog.tick();
    this.redis.tick();
    this.#post({ type: 'ticked' });
    if (!this.#isHalted) for (const runner of this.#runners.values()) runner.post({ type: 'ticked' });
    if (!this.#isHalted) this.#calls.tick();
    this.process.after(this.#world.profile.tickMs, () => this.#tick());
  }

  #post(event: OwnershipEvent): void {
    // A member begins when it knows the meters; the broker's connection may be up before.
    if (this.#catalog.current === undefined || this.#isHalted) return;
    for (const effect of this.#core.step(event, this.process.nowMs)) this.#run(effect);
  }

  #run(effect: OwnershipEffect): void {
    const { redis } = this.#services;
    const { name } = this.process;
    if (
      this.#world.trace.on &&
      effect.type !== 'heartbeat' &&
      effect.type !== 'renew' &&
      effect.type !== 'lease_renewed'
    ) {
      this.#world.trace.line(name, `ownership: ${effect.type}${'shard' in effect ? ` of shard ${effect.shard}` : ''}`);
    }
    switch (effect.type) {
      case 'heartbeat':
        this.redis.request(
          'heartbeat',
          () => redis.heartbeat(name, effect.ttlMs, this.reads === newestFormat ? this.reads : undefined),
          (answer) => {
            if (answer !== undefined && this.reads >= answer.format && answer.format > this.#format)
              this.#format = answer.format;
            if (answer !== undefined && answer.incarnation !== this.#incarnation)
              this.#halt('the incarnation is another one');
            else this.#post({ type: 'heartbeat_answered', members: answer?.members });
          },
        );
        break;
      case 'withdraw':
        this.redis.request(
          'withdraw',
          () => redis.withdraw(name),
          (others) => this.#post({ type: 'withdraw_answered', others }),
        );
        break;
      case 'claim':
        this.#leases.claim(effect.shard, effect.ttlMs);
        break;
      case 'renew':
        this.#leases.renew(effect.shard, effect.epoch, effect.ttlMs);
        break;
      case 'release':
        this.#leases.release(effect.shard, effect.epoch);
        break;
      case 'start_shard':
        this.#startShard(effect.shard, effect.epoch, effect.deadlineMs);
        break;
      case 'lease_renewed':
      case 'lease_lost':
      case 'hand_over':
      case 'drain':
        this.#runners.get(effect.shard)?.post(effect);
        break;
      case 'halt':
        this.#halt(effect.reason);
        break;
      case 'finished':
        this.#world.tally.add('drains finished');
        if (this.#leases.isEveryLeaseKnown) this.#world.checker.finished(name, this.#services.redis);
        this.#exit();
        break;
    }
  }

  /** Nothing is written or sent any more; the others are told, so that none of them goes on with what is left. */
  #halt(reason: string): void {
    if (!this.process.isAlive || this.#isHalted) return;
    this.#isHalted = true;
    this.#world.tally.add('consumers halted');
    this.#world.checker.halted(this.process.name, reason);
    if (this.#world.trace.on) this.#world.trace.line(this.process.name, `halts: ${reason}`);
    for (const runner of this.#runners.values()) {
      this.#calls.remove(runner);
      runner.abandon();
    }
    this.broker.end();
    this.#letters.end();
    this.#tellOfHalt();
  }

  #tellOfHalt(): void {
    this.redis.request(
      'distrust',
      () => {
        this.#services.redis.distrust(this.#incarnation);
        return 'ok';
      },
      (answer) => {
        if (answer === undefined) {
          this.process.after(this.#random.between(10, 100), () => this.#tellOfHalt());
          return;
        }
        this.#exit();
        this.#services.halted(this);
      },
    );
  }

  #exit(): void {
    this.broker.end();
    this.#letters.end();
    this.redis.end();
    this.process.kill();
  }

  #catalogRead(catalog: MeterCatalog, account: string, isFirst: boolean): void {
    if (isFirst && this.broker.link !== undefined) this.#post({ type: 'broker_changed', connected: true });
    for (const runner of this.#runners.values()) runner.post({ type: 'catalog_read', catalog, account });
  }

  #startShard(shard: number, epoch: number, deadlineMs: number): void {
    const catalog = this.#catalog.current;
    if (catalog === undefined) throw new Error('A member owns a shard before it knows the meters.');
    const { profile } = this.#world;
    const random = this.#random.fork();
    const source = { number: () => random.number(), token: () => random.hex(4) };
    const core = new ShardCore(
      { ...profile, incarnation: this.#incarnation, shard, served: this.#served },
      deadlineMs,
      catalog,
      source,
    );
    const runner: ShardRunner = new ShardRunner(core, {
      world: this.#world,
      shard,
      held: { epoch, owner: this.process.name },
      reads: this.reads,
      format: () => this.#leases.formatOf(shard),
      process: this.process,
      random: random.fork(),
      redis: this.#services.redis,
      journal: this.redis,
      mailbox: this.#mailbox,
      link: () => this.broker.link,
      letters: this.#letters,
      needCatalog: (account) => this.#catalog.need(account),
      ended: (reason) => this.#ended(shard, runner, reason),
    });
    this.#runners.set(shard, runner);
    this.#calls.add(runner);
    runner.start();
    const { windowMs } = profile;
    if (this.#windowMs !== windowMs) runner.post({ type: 'window_changed', windowMs: this.#windowMs });
  }

  #ended(shard: number, runner: ShardRunner, reason: EndReason): void {
    this.#calls.remove(runner);
    // Not claimed again by this process while calls of the old tenure run.
    if (this.#calls.inFlightOf(runner) > 0) {
      this.process.after(5, () => this.#ended(shard, runner, reason));
      return;
    }
    this.#world.tally.add(`tenures ended: ${reason}`);
    this.#world.checker.tenureEnded(this.process.name, shard, reason);
    this.#runners.delete(shard);
    const { memory, flight } = runner.core;
    this.#world.tally.add('duplicate events found', memory.duplicateEvents);
    this.#post({ type: 'shard_ended', shard, reason, next: flight.journalNext });
  }
}
